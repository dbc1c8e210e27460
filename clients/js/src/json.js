/**
 * JSON with exact integers, for those who need them.
 *
 * A JavaScript number holds integers exactly up to 2^53. The protocol has 64 bits: `JSON.parse` rounds what is larger
 * without a word. With `json: bigIntJson` integers beyond 2^53 arrive as `BigInt`, and `BigInt`s may be sent. Messages
 * without a long run of digits cost one regular expression more than `JSON.parse`.
 */

// Marks an integer that was wrapped in a string. It differs from process to process, so no stored text has it.
const MARK = `mpreg-integer-${Math.random().toString(36).slice(2)}-${Math.random().toString(36).slice(2)}:`;
const LONG = /\d{16}/;
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const INTEGER = /^-?\d{16,}$/;
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g');

function wrap(token) {
  return INTEGER.test(token) && !Number.isSafeInteger(Number(token)) ? `"${MARK}${token}"` : token;
}

function unwrap(_, value) {
  return typeof value === 'string' && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value;
}

function mark(_, value) {
  return typeof value === 'bigint' ? `${MARK}${value}` : value;
}

/** `parse` and `stringify` like those of `JSON`, with `BigInt` for integers beyond 2^53. */
export const bigIntJson = {
  parse(text) {
    return LONG.test(text) ? JSON.parse(text.replace(TOKEN, wrap), unwrap) : JSON.parse(text);
  },

  stringify(value) {
    const text = JSON.stringify(value, mark);
    return text.includes(MARK) ? text.replace(MARKED, '$1') : text;
  },
};
