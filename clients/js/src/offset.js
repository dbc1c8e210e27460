/** Positions of stored messages: `"epoch:number"`, growing strictly, with numbers of 64 bits. */

function compareDecimal(a, b) {
  return a.length - b.length || (a < b ? -1 : Number(a > b));
}

/** Whether position `a` is behind `b`, that is, of a later message. Both are written without leading zeros. */
export function isAfter(a, b) {
  const [epochA, numberA] = a.split(':');
  const [epochB, numberB] = b.split(':');
  return (compareDecimal(epochA, epochB) || compareDecimal(numberA, numberB)) > 0;
}
