// HTTP to whoever served the page: data comes back, or an ApiError with a stable code.

/** @typedef {import('./protocol').ProblemJson} ProblemJson */

/**
 * An answer that is not what was asked for. `code` is the server's, or one of ours: `network` when no answer came,
 * `timeout` when it took too long, `answer-invalid` when it was not of the expected form.
 */
export class ApiError extends Error {
  /**
   * @param {string} code
   * @param {string} detail one English sentence, for the log
   * @param {{status?: number, retryAfterS?: number | null}} [more]
   */
  constructor(code, detail, more) {
    super(detail);
    this.name = 'ApiError';
    this.code = code;
    /** HTTP status; 0 when there was no answer. */
    this.status = (more && more.status) || 0;
    /** @type {number | null} */
    this.retryAfterS = more && more.retryAfterS != null ? more.retryAfterS : null;
  }
}

/**
 * @typedef {object} Options
 * @property {string} [method]
 * @property {unknown} [json] sent as application/json
 * @property {string} [body] sent as it is; say its type in `headers`
 * @property {Record<string, string>} [headers]
 * @property {string | null} [token] sent as Bearer
 * @property {number} [timeoutMs] 0: wait for ever
 * @property {AbortSignal} [signal]
 * @property {boolean} [keepalive] let the request outlive the page
 */

/**
 * Ask for `path` and return the Response, whatever its status under 400; the body is not read, and has no time limit.
 *
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<Response>}
 */
export function request(path, options) {
  return exchange(path, options, (response) => Promise.resolve(response));
}

/**
 * Ask for `path` and return the Response with its whole body, both within the time limit.
 *
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<{response: Response, text: string}>}
 */
export function requestText(path, options) {
  return exchange(path, options, async (response) => ({ response, text: await response.text() }));
}

/**
 * @template T
 * @param {string} path
 * @param {Options | undefined} options
 * @param {(response: Response) => Promise<T>} read
 * @returns {Promise<T>}
 */
async function exchange(path, options, read) {
  const o = options || {};
  const timeoutMs = o.timeoutMs === undefined ? 15000 : o.timeoutMs;
  const abort = new AbortController();
  /** @type {Record<string, string>} */
  const headers = Object.assign({}, o.headers);
  let body = o.body;
  if (o.json !== undefined) {
    headers['Content-Type'] = 'application/json';
    body = JSON.stringify(o.json);
  }
  if (o.token) headers.Authorization = 'Bearer ' + o.token;
  let isLate = false;
  const timer = timeoutMs ? setTimeout(() => ((isLate = true), abort.abort()), timeoutMs) : undefined;
  const forward = () => abort.abort();
  if (o.signal) {
    if (o.signal.aborted) abort.abort();
    o.signal.addEventListener('abort', forward);
  }
  try {
    const response = await fetch(path, {
      method: o.method || (body === undefined ? 'GET' : 'POST'),
      headers,
      body,
      signal: abort.signal,
      keepalive: !!o.keepalive,
      cache: 'no-store',
      credentials: 'same-origin',
    });
    if (!response.ok) throw await problemOf(response);
    return await read(response);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (isLate) throw new ApiError('timeout', path + ' did not answer in ' + timeoutMs + ' ms');
    throw new ApiError('network', path + ' cannot be reached: ' + error);
  } finally {
    clearTimeout(timer);
    if (o.signal) o.signal.removeEventListener('abort', forward);
  }
}

/**
 * @param {Response} response
 * @returns {Promise<ApiError>}
 */
async function problemOf(response) {
  /** @type {Partial<ProblemJson>} */
  let problem = {};
  try {
    problem = await response.json();
  } catch (error) {
    problem = {}; // a proxy's own page, for instance
  }
  const fallback = response.status === 502 || response.status === 504 ? 'network' : 'internal';
  const header = Number(response.headers.get('Retry-After'));
  return new ApiError(problem.code || fallback, problem.detail || problem.title || response.statusText, {
    status: response.status,
    retryAfterS: problem.retry_after_s != null ? problem.retry_after_s : header > 0 ? header : null,
  });
}

/**
 * Ask for `path` and return the JSON of the answer; null when it has none (204).
 *
 * @template T
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<T>}
 */
export async function json(path, options) {
  const { response, text } = await requestText(path, options);
  if (response.status === 204) return /** @type {T} */ (/** @type {unknown} */ (null));
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ApiError('answer-invalid', path + ' did not answer with JSON', { status: response.status });
  }
}
