/** Publish and subscribe. */

import { delays, Pause } from './backoff.js';
import { ClientClosed, ConnectionLost, PubSubError, RequestTimeout } from './errors.js';
import { newId } from './ids.js';
import { throwError } from './rpc.js';
import { Subscription } from './subscription.js';

const BACKLOG_SECONDS = 300;
const REPLY_TIMEOUT_MS = 30_000;

/**
 * Publishes and subscribes. After a lost connection all subscriptions are made again and go on behind the last message
 * that came: what the server still has is neither missed nor repeated, what it no longer has is told as a gap.
 */
export class PubSub {
  /** The name in `publisher` of what this client publishes. */
  clientId = `pubsub_client_${newId()}`;

  #client;
  #options;
  #receivers = new Map();
  #subscriptions = new Set();
  #pauses = new Set();

  constructor(client, options) {
    this.#client = client;
    this.#options = options;
  }

  /**
   * Publishes; resolves to the server's ack, with `offset` and `durability`, once it has accepted the message.
   * `options`: `headers`; `level`: `"volatile"`, `"eventual"` or `"strong"` (synced before the ack); `messageId`;
   * `timeoutMs`. Rejects with `PubSubError`.
   */
  async publish(topic, payload, { headers = {}, level, messageId = newId(), timeoutMs } = {}) {
    const message = {
      topic,
      payload: payload ?? null,
      timestamp: Date.now() / 1000,
      message_id: messageId,
      publisher: this.clientId,
      headers,
    };
    const options = level && { consistency_level: level };
    return this.#ask({ role: 'pubsub-publish', message, options }, timeoutMs);
  }

  /**
   * Subscribes to topics that match one of `patterns`: `*` stands for one segment, `#` for any number. Resolves to a
   * `Subscription` once the server has accepted it; without `onMessage`, iterate over that.
   *
   * `options`: `backlogSeconds` (300; 0: none) or `start` (`"latest"`, `"earliest"`, `{ offset }` for what is behind it,
   * `{ time }` in Unix seconds); `durable`, a name under which the server keeps the committed position; `shared`, to
   * share the messages of that name; `onMessage(message)`, awaited for one message at a time; `onError(error, message)`
   * for what it throws, which is an uncaught error otherwise; `onGap({ from, to, count })`; `timeoutMs`. Rejects with
   * `PubSubError`.
   */
  async subscribe(patterns, { onMessage, onError = throwUncaught, timeoutMs, ...options } = {}) {
    const { queueMessagesMax, onWarning } = this.#options;
    const onGap = (gap) => onWarning(`messages of ${patterns} are missing: ${JSON.stringify(gap)}`);
    const whole = { backlogSeconds: BACKLOG_SECONDS, onGap, queueMessagesMax, ...options };
    const subscription = new Subscription(this, [patterns].flat(), whole);
    // Before the request is sent: the backlog follows its answer at once.
    this.#receivers.set(subscription.wireId, subscription);
    try {
      await this.#ask(subscription.firstRequest(), timeoutMs);
    } catch (error) {
      this.#receivers.delete(subscription.wireId);
      throw error;
    }
    this.#subscriptions.add(subscription);
    if (onMessage !== undefined) {
      handOver(subscription, onMessage, onError);
    }
    return subscription;
  }

  /**
   * Publishes with a `reply_to` header and resolves to the first message on that topic. `options`: `headers`, `level`,
   * `timeoutMs` (30,000) for the reply. Rejects with `RequestTimeout` or `PubSubError`.
   */
  async request(topic, payload, { headers, level, timeoutMs = REPLY_TIMEOUT_MS } = {}) {
    const replyTo = `reply.${newId()}`;
    const replies = await this.subscribe(replyTo, { backlogSeconds: 0 });
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new RequestTimeout(timeoutMs)), timeoutMs);
    });
    const first = this.publish(topic, payload, { headers: { ...headers, reply_to: replyTo }, level, timeoutMs })
      .then(() => replies.next());
    try {
      return (await Promise.race([first, late])).value;
    } finally {
      clearTimeout(timer);
      await replies.unsubscribe();
    }
  }

  /** Publishes the reply to a message that was sent by `request`. Options and errors as `publish`. */
  async reply(message, payload, options) {
    const replyTo = message.headers?.reply_to;
    if (typeof replyTo !== 'string') {
      throw new PubSubError('the message asks for no reply');
    }
    return this.publish(replyTo, payload, options);
  }

  /** Takes a notification. One of an id nobody has was under way when its subscription ended. */
  take(notification) {
    this.#receivers.get(notification.subscription_id)?.take(notification);
  }

  /** Makes all subscriptions on a new connection. */
  restore(connection) {
    const { requestTimeoutMs } = this.#options;
    for (const subscription of this.#subscriptions) {
      if (!subscription.isRecovering && !subscription.isBehind) {
        this.#takeUp(subscription, (request) => connection.request(request, requestTimeoutMs)).catch((error) => {
          if (!(error instanceof ConnectionLost || subscription.isEnded)) {
            this.#options.onWarning(`subscribing again: ${error.message}`);
            subscription.fallBehind();
          }
        });
      }
    }
  }

  /** Takes up a subscription that left messages out, as often as it takes. */
  async recover(subscription) {
    subscription.isRecovering = true;
    const { backoffMs, backoffMsMax, onWarning } = this.#options;
    const waits = delays(backoffMs, backoffMsMax);
    // Not awaited: it takes effect before what follows it on the connection.
    this.#leaveQuietly(subscription.wireId);
    while (!subscription.isEnded) {
      try {
        await this.#takeUp(subscription, (request) => this.#client.send(request));
        break;
      } catch (error) {
        if (!subscription.isEnded) {
          onWarning(`subscribing again: ${error.message}`);
          await this.#sleep(waits.next().value);
        }
      }
    }
    subscription.isRecovering = false;
    subscription.wake();
  }

  /** Ends a subscription at the server. Without a connection it has ended there already. */
  async leave(subscription) {
    this.#subscriptions.delete(subscription);
    this.#receivers.delete(subscription.wireId);
    this.#wakeAll();
    if (!this.#client.isOpen || subscription.isRecovering) {
      return;
    }
    try {
      await this.#ask(unsubscribeMessage(subscription.wireId));
    } catch (error) {
      if (!(error instanceof ConnectionLost || error instanceof ClientClosed)) {
        throw error;
      }
    }
  }

  /** Commits an offset of a durable subscription. Rejects with `PubSubError`. */
  async commit(subscription, offset) {
    // The id is another one after a new connection was waited for.
    await this.#ask(() => ({ role: 'pubsub-commit', subscription_id: subscription.wireId, offset }));
  }

  /** Ends all subscriptions with `ClientClosed`. */
  close() {
    for (const subscription of this.#subscriptions) {
      subscription.end(new ClientClosed());
    }
    this.#subscriptions.clear();
    this.#receivers.clear();
    this.#wakeAll();
  }

  async #ask(message, timeoutMs) {
    return accepted(await this.#client.send(message, timeoutMs));
  }

  async #takeUp(subscription, send) {
    this.#receivers.delete(subscription.wireId);
    const request = subscription.nextRequest();
    this.#receivers.set(subscription.wireId, subscription);
    accepted(await send(request));
    if (subscription.isEnded) {
      // It was ended meanwhile, when the server did not know it yet.
      this.#receivers.delete(subscription.wireId);
      await this.#leaveQuietly(subscription.wireId);
    }
  }

  async #leaveQuietly(wireId) {
    if (this.#client.isOpen) {
      await this.#client.send(unsubscribeMessage(wireId)).catch(() => {});
    }
  }

  async #sleep(ms) {
    const pause = new Pause(ms);
    this.#pauses.add(pause);
    await pause.over;
    this.#pauses.delete(pause);
  }

  #wakeAll() {
    for (const pause of this.#pauses) {
      pause.wake();
    }
  }
}

function unsubscribeMessage(wireId) {
  return { role: 'pubsub-unsubscribe', subscription_id: wireId };
}

function accepted(ack) {
  throwError(ack);
  if (ack.role !== 'pubsub-ack' || ack.success !== true) {
    throw new PubSubError(ack.error ?? `an answer of role ${ack.role}`);
  }
  return ack;
}

async function handOver(subscription, onMessage, onError) {
  try {
    for await (const message of subscription) {
      try {
        await onMessage(message);
      } catch (error) {
        onError(error, message);
      }
    }
  } catch (error) {
    if (!(error instanceof ClientClosed)) {
      throwUncaught(error);
    }
  }
}

/** As an event listener's: neither swallowed, nor the end of the subscription. */
function throwUncaught(error) {
  setTimeout(() => { throw error; });
}
