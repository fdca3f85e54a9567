// The words of the page: a flat catalogue per language, French first. Keeps the choice in localStorage.

/** @typedef {'fr' | 'en'} Lang */
/** @typedef {Record<string, string | number>} Params */

const CHOICE = 'estrade.lang';
/** @type {Lang[]} */
export const LANGS = ['fr', 'en'];

/** Words of one language. Events: `change`, after another language was loaded. */
export class Words extends EventTarget {
  /** @param {string[]} [more] further catalogues, which other pages do not wait for: `panel` is `panel.fr.json` */
  constructor(more) {
    super();
    /** @private */
    this.names = [''].concat((more || []).map((name) => name + '.'));
    /** @type {Lang} */
    this.lang = preferred();
    /** @private @type {Record<string, string>} */
    this.catalogue = {};
    this.isLoaded = false;
  }

  /** Load the words of the chosen language. Rejects when they cannot be had. @param {Lang} [lang] */
  async load(lang) {
    const wanted = lang || this.lang;
    const parts = this.names.map(async (name) => {
      const response = await fetch(new URL('../i18n/' + name + wanted + '.json', import.meta.url).href);
      if (!response.ok) throw new Error('words of ' + wanted + ': HTTP ' + response.status);
      return response.json();
    });
    this.catalogue = Object.assign({}, ...(await Promise.all(parts)));
    this.lang = wanted;
    this.isLoaded = true;
    this.dispatchEvent(new CustomEvent('change'));
  }

  /** Remember another language and load it. @param {Lang} lang */
  async choose(lang) {
    try {
      localStorage.setItem(CHOICE, lang);
    } catch (error) {
      // storage is refused in some private windows; the choice then lasts as long as the page
    }
    await this.load(lang);
  }

  /** Return the sentence of `key` with `{name}` replaced; the key itself when there is none. @param {string} key @param {Params} [params] */
  t(key, params) {
    const text = this.catalogue[key];
    if (text === undefined) return key;
    return params ? text.replace(/\{(\w+)\}/g, (all, name) => (name in params ? String(params[name]) : all)) : text;
  }

  /** The form of `key` for a number: `key.one` or `key.other`, with `{n}`. @param {string} key @param {number} n @param {Params} [params] */
  tn(key, n, params) {
    const form = new Intl.PluralRules(this.lang).select(n) === 'one' ? 'one' : 'other';
    return this.t(key + '.' + form, Object.assign({ n: this.number(n) }, params));
  }

  /** Whether there is a sentence of this key. @param {string} key */
  has(key) {
    return this.catalogue[key] !== undefined;
  }

  /** The sentence for an error's code; a general one for a code from a newer version. @param {string} code @param {Params} [params] */
  error(code, params) {
    const key = 'error.' + code;
    return this.t(this.has(key) ? key : 'error.internal', params);
  }

  /** For `Intl`: the language with its region. */
  get locale() {
    return regional(this.lang, readerWishes());
  }

  /** @param {number} n @param {Intl.NumberFormatOptions} [options] */
  number(n, options) {
    return new Intl.NumberFormat(this.locale, options).format(n);
  }

  /** Hour and minute of a date. @param {Date | string | number} at */
  time(at) {
    return new Intl.DateTimeFormat(this.locale, { hour: '2-digit', minute: '2-digit' }).format(new Date(at));
  }

  /** A date with weekday, hour and minute. @param {Date | string | number} at */
  dayAndTime(at) {
    return new Intl.DateTimeFormat(this.locale, { weekday: 'long', day: 'numeric', month: 'long', hour: '2-digit', minute: '2-digit' }).format(new Date(at));
  }

  /** How long, in the two largest units that matter: "4 s", "12 min", "2 h 05". @param {number} seconds */
  duration(seconds) {
    const s = Math.max(0, Math.round(seconds));
    if (s < 60) return this.t('unit.s', { n: s });
    if (s < 3600) return this.t('unit.min', { n: Math.floor(s / 60) });
    if (s < 86400) return this.t('unit.h', { h: Math.floor(s / 3600), min: two(Math.floor((s % 3600) / 60)) });
    return this.tn('unit.day', Math.floor(s / 86400));
  }
}

/** Elapsed time as a clock: 4:07, 1:02:09. @param {number} seconds */
export function clock(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(s / 60) % 60;
  return s < 3600 ? minutes + ':' + two(s % 60) : Math.floor(s / 3600) + ':' + two(minutes) + ':' + two(s % 60);
}

/** @param {number} n */
function two(n) {
  return n < 10 ? '0' + n : String(n);
}

/** The region of a language whose dates and numbers are shown: the reader's own, else Europe's. @param {Lang} lang @param {readonly string[]} wishes */
export function regional(lang, wishes) {
  const own = wishes.find((wish) => wish.slice(0, 3).toLowerCase() === lang + '-');
  return own || { fr: 'fr-FR', en: 'en-GB' }[lang];
}

/** What the browser's reader reads, dearest first. @returns {readonly string[]} */
function readerWishes() {
  return navigator.languages || [navigator.language];
}

/** @returns {Lang} */
function preferred() {
  let chosen = null;
  try {
    chosen = localStorage.getItem(CHOICE);
  } catch (error) {
    chosen = null;
  }
  const wishes = [chosen].concat(readerWishes());
  for (const wish of wishes) {
    const lang = LANGS.find((known) => !!wish && wish.slice(0, 2).toLowerCase() === known);
    if (lang) return lang;
  }
  return 'fr';
}
