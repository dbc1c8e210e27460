/** One subscription: what waits for its reader, and how it goes on after a lost connection. */

import { newId } from './ids.js';

/** How far a resumption without a position reaches back behind what came last: clocks of both sides are not compared. */
const RESUME_SLACK_MS = 250;
/** Messages remembered to drop repeats after a resumption. */
const RECENT_MAX = 10_000;

/**
 * An async iterator over messages, in order: `{ topic, payload, timestamp, message_id, publisher, headers, offset,
 * backlog }`. `offset` is the position of a stored message, `backlog` says that it was published before.
 *
 * Iteration ends after `unsubscribe()`, which leaving a `for await` loop does too, and throws `ClientClosed` when the
 * client is closed. Readers share: each message goes to one of them.
 */
export class Subscription {
  /** What the server knows it by: a new id with each request, which tells what was under way before from what comes. */
  wireId = newId();
  /** Somebody is asking for it again. */
  isRecovering = false;

  #pubsub;
  #patterns;
  #options;
  #queue = [];
  #readers = [];
  #isBehind = false;
  #isEnded = false;
  #error;
  #leftOut = 0;
  #heardAt = performance.now();
  #receivedOffset;
  #recent = new Set();

  constructor(pubsub, patterns, options) {
    this.#pubsub = pubsub;
    this.#patterns = patterns;
    this.#options = options;
  }

  get isEnded() {
    return this.#isEnded;
  }

  /** It left something out, and is asked for again when its queue is empty. */
  get isBehind() {
    return this.#isBehind;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** The next message; `done` after `unsubscribe()`. */
  async next() {
    for (;;) {
      if (this.#queue.length > 0) {
        const { gap, message } = this.#queue.shift();
        if (message !== undefined) {
          this.#noteHanded(message);
          return { value: message, done: false };
        }
        this.#options.onGap(gap);
      } else if (this.#error !== undefined) {
        throw this.#error;
      } else if (this.#isEnded) {
        return { value: undefined, done: true };
      } else {
        if (this.#isBehind && !this.isRecovering) {
          // It wakes readers when it is done; so does an end meanwhile.
          this.#pubsub.recover(this);
        }
        await new Promise((resolve) => { this.#readers.push(resolve); });
      }
    }
  }

  /** Ends it, for a `for await` loop that is left. */
  async return(value) {
    await this.unsubscribe();
    return { value, done: true };
  }

  /** Ends it: readers get no more. Rejects with `PubSubError`. */
  async unsubscribe() {
    if (!this.#isEnded) {
      this.end();
      this.#queue.length = 0;
      await this.#pubsub.leave(this);
    }
  }

  /**
   * Tells the server that a durable subscription is done with everything up to `message`. Rejects with `PubSubError`,
   * also for a subscription without a durable name.
   */
  commit(message) {
    return this.#pubsub.commit(this, message.offset);
  }

  /** No more comes; with `error`, readers get that when the queue is empty. */
  end(error) {
    this.#isEnded = true;
    this.#error = error;
    this.wake();
  }

  /** Takes nothing more until it is asked for again. */
  fallBehind() {
    this.#isBehind = true;
    this.wake();
  }

  /** Lets readers look again. */
  wake() {
    for (const resolve of this.#readers.splice(0)) {
      resolve();
    }
  }

  /** The message that asks for it the first time. */
  firstRequest() {
    this.#heardAt = performance.now();
    return this.#request(this.#beginning());
  }

  /**
   * The message that asks for it again: behind the last message that came, or from the moment on that one came or the
   * first request was made. A durable one goes on behind what was committed.
   */
  nextRequest() {
    this.wireId = newId();
    this.#isBehind = false;
    const { durable } = this.#options;
    if (durable !== undefined) {
      // Whatever is not committed comes again, or goes to another member.
      this.#queue.length = 0;
    }
    if (this.#leftOut > 0) {
      // They were never stored, so they do not come again.
      this.#queue.push({ gap: { from: null, to: null, count: this.#leftOut } });
      this.#leftOut = 0;
    }
    return this.#request(durable === undefined ? this.#resumption() : this.#beginning());
  }

  /** Takes a notification. */
  take({ message, gap, offset, u }) {
    const isFull = this.#queue.length >= this.#options.queueMessagesMax;
    if (this.#isEnded) {
      return;
    }
    if (this.#isBehind || isFull) {
      this.#isBehind = true;
      this.#leftOut += Number(gap === undefined && offset === undefined);
      return;
    }
    if (gap !== undefined) {
      this.#offer({ gap });
      return;
    }
    const backlog = u.startsWith('backlog_');
    // Live messages without a position do not repeat; their publishers may use an id twice.
    const mayRepeat = backlog || offset !== undefined;
    if (!mayRepeat || !this.#recent.has(identityOf(message, offset))) {
      this.#noteReceived(message, offset);
      this.#offer({ message: { ...message, offset, backlog } });
    }
  }

  /**
   * A server that gives positions goes on behind the last one that came. Without them a resumption repeats; so does
   * that of a durable subscription, which goes on behind what was committed.
   */
  #noteReceived(message, offset) {
    if (offset !== undefined) {
      this.#receivedOffset = offset;
    } else {
      this.#heardAt = performance.now();
      this.#remember(identityOf(message));
    }
  }

  #noteHanded(message) {
    if (this.#options.durable !== undefined) {
      this.#remember(identityOf(message, message.offset));
    }
  }

  #remember(identity) {
    this.#recent.add(identity);
    if (this.#recent.size > RECENT_MAX) {
      const [oldest] = this.#recent;
      this.#recent.delete(oldest);
    }
  }

  #offer(entry) {
    this.#queue.push(entry);
    this.wake();
  }

  #beginning() {
    const { start, backlogSeconds } = this.#options;
    return start === undefined ? backlogOf(backlogSeconds) : { start };
  }

  #resumption() {
    if (this.#receivedOffset !== undefined) {
      return { start: { offset: this.#receivedOffset } };
    }
    const { start, backlogSeconds } = this.#options;
    if (start !== undefined && start !== 'latest') {
      return { start };
    }
    const isFirst = this.#recent.size === 0;
    const before = start === undefined && isFirst ? backlogSeconds : 0;
    return backlogOf(before + (performance.now() - this.#heardAt + RESUME_SLACK_MS) / 1000);
  }

  #request(beginning) {
    const { durable, shared } = this.#options;
    return {
      role: 'pubsub-subscribe',
      u: newId(),
      subscription: {
        subscription_id: this.wireId,
        patterns: this.#patterns.map((pattern) => ({ pattern, exact_match: !/[*#]/.test(pattern) })),
        subscriber: this.#pubsub.clientId,
        created_at: Date.now() / 1000,
        ...beginning,
        durable,
        shared,
      },
    };
  }
}

/** Tells messages apart: publishers choose ids, and a server that lost its data gives positions again. */
function identityOf({ message_id: id }, offset) {
  return `${offset ?? ''} ${id}`;
}

function backlogOf(seconds) {
  return { get_backlog: seconds > 0, backlog_seconds: seconds };
}
