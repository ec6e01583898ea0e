/** The public API: JSON or a problem; waits and asks again where the service is busy. */

import { Problem, problemOf } from "./problem.js";

const KEY = "fss.key";
const TRIES = 4;
const LONGEST_WAIT_S = 20;

export class Api {
  /**
   * @param {() => Promise<string|null>} askForKey a key of the person, or null if they give up.
   * @param {(seconds: number) => void} onWait the service is busy; it is asked again then.
   */
  constructor(askForKey, onWait) {
    this.askForKey = askForKey;
    this.onWait = onWait;
    this.asking = null;
  }

  /** The answer's JSON; null where there is no body. @throws {Problem} */
  async json(method, path, options) {
    const response = await this.request(method, path, options);
    return response.status === 204 ? null : response.json();
  }

  /** @returns {Promise<Response>} a good answer. @throws {Problem} */
  async request(method, path, options = {}) {
    for (let attempt = 1; ; attempt++) {
      const key = sessionStorage.getItem(KEY);
      const response = await this.#send(method, path, options, key);
      if (response.ok) return response;
      if (response.status === 401 && (await this.#newKey(key))) continue;
      if (!retryable(response) || attempt >= TRIES) throw await problemOf(response);
      await this.#wait(response);
    }
  }

  async #send(method, path, { body, headers = {}, signal }, key) {
    const credentials = key ? { "X-API-Key": key } : {};
    try {
      // Beside the page, wherever a proxy may have put it.
      return await fetch(new URL(path, document.baseURI), {
        method, body, signal, headers: { ...headers, ...credentials },
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, "The service cannot be reached", "Check the connection, then try again.");
    }
  }

  /** Whether there is another key than the one that was refused; many requests ask once. */
  async #newKey(refused) {
    if (sessionStorage.getItem(KEY) !== refused) return true;
    this.asking ??= this.askForKey(refused !== null).finally(() => { this.asking = null; });
    const key = await this.asking;
    if (key === null) return false;
    sessionStorage.setItem(KEY, key);
    return true;
  }

  async #wait(response) {
    const asked = Number(response.headers.get("Retry-After"));
    const seconds = Math.min(LONGEST_WAIT_S, Number.isFinite(asked) && asked > 0 ? asked : 1);
    this.onWait(seconds);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  }
}

const retryable = (response) => response.status === 429 || response.status === 503;
