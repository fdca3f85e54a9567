// The code a pupil types: eight characters of an alphabet without look-alikes, shown as K7QF-92MX.

export const LENGTH = 8;

/** What was typed, in capitals, without what a code never holds (spaces, dashes). @param {string} typed */
export function bare(typed) {
  return typed.toUpperCase().replace(/[^A-Z0-9]/g, '').slice(0, LENGTH);
}

/** As it is printed. @param {string} typed */
export function pretty(typed) {
  const code = bare(typed);
  return code.length > 4 ? code.slice(0, 4) + '-' + code.slice(4) : code;
}

/** @param {string} typed */
export function isWhole(typed) {
  return bare(typed).length === LENGTH;
}
