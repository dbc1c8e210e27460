/** Never run: the compiler checks it against the types of the package. */

import { bigIntJson, CacheError, connect, MESSAGE_BYTES_MAX, RpcError } from 'mpreg-node';
import type { Batch, Client, Gap, Key, Message, Subscription } from 'mpreg-node';

interface Order {
  id: number;
}

export async function use(): Promise<void> {
  const client: Client = await connect(['ws://127.0.0.1:9001'], {
    requestTimeoutMs: 1000, json: bigIntJson, onState: (state) => state === 'lost',
  });
  // @ts-expect-error: no such option
  await connect('ws://127.0.0.1:9001', { timeout: 1 });

  const sum = await client.call<number>('sum', [1, 2], { versionConstraint: '>=1', kwargs: { exact: true } });
  sum.toFixed();
  const { final } = await client.request<{ final: string }>([{ name: 'final', fun: 'echo', args: ['x'] }]);
  final.trim();
  // @ts-expect-error: a command has a name
  await client.request([{ fun: 'echo' }]);
  const detailed = await client.requestDetailed([], { executionSummary: true });
  detailed.execution_summary?.level_execution_times.at(0);

  const subscription: Subscription<Order> = await client.pubsub.subscribe<Order>(['orders.#'], {
    start: { offset: '1:5' }, durable: 'billing', onGap: (gap: Gap) => gap.count,
  });
  for await (const message of subscription) {
    message.payload.id.toFixed();
    // @ts-expect-error: not a member of an order
    message.payload.name;
    await subscription.commit(message);
  }
  // @ts-expect-error: no such beginning
  await client.pubsub.subscribe('a', { start: 'somewhere' });
  const reply: Message<string> = await client.pubsub.request<string>('questions', 1);
  await client.pubsub.reply(reply, 2, { level: 'strong' });

  const key: Key = ['orders', '17'];
  const value: Order | undefined = await client.cache.withLevel('strong').get<Order>(key);
  await client.cache.put<Order>({ namespace: 'orders', identifier: '17', tags: ['new'] }, { id: value?.id ?? 1 });
  // @ts-expect-error: a key has two parts
  await client.cache.get('orders');
  // @ts-expect-error: a pattern or tags
  await client.cache.invalidate({ pattern: 'a*', tags: ['b'] });
  const lock = await client.cache.testAndSet<string>(['locks', 'a'], null, 'me', { ttlSeconds: 5 });
  lock.applied && lock.current_value?.trim();
  const batch: Batch = client.cache.batch().put(key, 1).increment(['stock', 'x'], -2n, { conditions: {} });
  await batch.run({ level: 'strong' });
  for await (const { identifier } of client.cache.namespace('orders').keys()) {
    identifier.trim();
  }
  const top = await client.cache.asSortedSet<string>(key).top(3);
  top.map(({ value: name, score }) => name.repeat(score));
  const names: string[] = await client.cache.asSet<string>(key).members();
  names.at(0);
  client.close();
}

export function explain(error: unknown): string {
  if (error instanceof RpcError) {
    return `${error.code + MESSAGE_BYTES_MAX}`;
  }
  return error instanceof CacheError ? error.code : '';
}
