/** The objects of atomic operations, and their results. */

/** Statuses that are results: a comparison or condition that did not hold is one. */
export const ATOMIC_STATUSES = ['hit', 'miss', 'conflict'];

function compared(operationType, expected, value, { ttlSeconds, conditions } = {}) {
  return {
    operation_type: operationType,
    expected_value: expected ?? null,
    new_value: value,
    ttl_seconds: ttlSeconds,
    conditions,
  };
}

function added(operationType, by, { initial, createIfMissing, ttlSeconds, conditions } = {}) {
  return {
    operation_type: operationType,
    increment_by: by,
    initial_value: initial,
    create_if_missing: createIfMissing,
    ttl_seconds: ttlSeconds,
    conditions,
  };
}

function joined(operationType, value, { createIfMissing, ttlSeconds, conditions } = {}) {
  return {
    operation_type: operationType,
    new_value: value,
    create_if_missing: createIfMissing,
    ttl_seconds: ttlSeconds,
    conditions,
  };
}

/** Makers of `atomic_operation` objects. */
export const atomic = {
  testAndSet: (expected, value, options) => compared('test_and_set', expected, value, options),
  compareAndSwap: (expected, value, options) => compared('compare_and_swap', expected, value, options),
  increment: (by, options) => added('increment', by, options),
  decrement: (by, options) => added('decrement', by, options),
  append: (value, options) => joined('append', value, options),
  prepend: (value, options) => joined('prepend', value, options),
  extendTtl: (seconds) => ({ operation_type: 'extend_ttl', ttl_seconds: seconds }),
};

/** The `atomic_result` of an answer and whether it was `applied`. */
export function atomicResultOf(reply) {
  return { applied: reply.status === 'hit', ...reply.atomic_result };
}
