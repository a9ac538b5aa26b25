// Calls of the server that serves this page. The key is kept for this tab alone.

import { EventReader } from "./sse.js";

const KEY = "reka-api-key";

/** The key of a server that has none of its own and takes any. */
const ANY_KEY = "any";

/** Silence of an upload, in milliseconds, after which it counts as broken off. */
const UPLOAD_SILENCE = 120_000;

/** An answer that is an error, or none: `status` is 0 where none came; `code` is null where the error has none. */
export class ApiError extends Error {
  constructor(message, status = 0, code = null) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const readKey = () => sessionStorage.getItem(KEY) ?? ANY_KEY;
export const storeKey = (key) => sessionStorage.setItem(KEY, key);

const address = (path) => new URL(path, document.baseURI);
const part = (name) => encodeURIComponent(name);

/** The error that a body tells of, in any of the server's forms. */
function errorOf(body, status) {
  const detail = body?.error?.message ?? body?.detail;
  const text = Array.isArray(detail) ? detail.map((one) => one.msg).join("; ") : detail;
  return new ApiError(text ?? `The server answered with status ${status}.`, status, body?.code ?? null);
}

async function send(method, path, { json, signal } = {}) {
  const headers = { "X-Api-Key": readKey(), Accept: "application/json" };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  const body = json === undefined ? undefined : JSON.stringify(json);
  let response;
  try {
    response = await fetch(address(path), { method, headers, body, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server cannot be reached. Is it still running?");
  }
  if (!response.ok) throw errorOf(await response.json().catch(() => null), response.status);
  return response;
}

const call = async (method, path, options) => (await send(method, path, options)).json();

export const serverInfo = () => call("GET", ".");
export const listModels = () => call("GET", "models");
export const listDatasets = () => call("GET", "datasets");
export const deleteDataset = (name) => call("DELETE", `datasets/${part(name)}`);
export const describeDataset = (name) => call("GET", `datasets/${part(name)}`);
export const prepareDataset = (name) => call("POST", `datasets/${part(name)}/prepare-retrieval`);
export const jobStatus = (id) => call("GET", `jobs/prepare-retrieval/${part(id)}/status`);
export const search = (name, json) => call("POST", `datasets/${part(name)}/search`, { json });

/** A page of a dataset's documents; `after` is the `next` of the page before. */
export function listDocuments(name, after, limit = 50) {
  const query = new URLSearchParams({ limit, ...(after ? { after } : {}) });
  return call("GET", `datasets/${part(name)}/documents?${query}`);
}

/** A page of a document's chunks; see `listDocuments`. */
export function listChunks(name, documentId, after) {
  const query = new URLSearchParams({ document_id: documentId, ...(after ? { after } : {}) });
  return call("GET", `datasets/${part(name)}/chunks?${query}`);
}

/**
 * Stream an answer: the events of `/v1/chat/completions`, as they come.
 * @throws {ApiError} The server refuses the request, the answer fails, or it breaks off.
 */
export async function* streamChat(json, signal) {
  const response = await send("POST", "v1/chat/completions", { json, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const events = new EventReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (const data of events.push(value)) {
        if (data === "[DONE]") return;
        const event = JSON.parse(data);
        if (event.error) throw errorOf(event, response.status);
        yield event;
      }
    }
  } catch (error) {
    if (error instanceof ApiError || error.name === "AbortError") throw error;
    throw new ApiError("The answer broke off: the connection to the server was lost.");
  }
  throw new ApiError("The answer broke off before its end.");
}

/**
 * Upload a file as a dataset.
 * @param {FormData} form
 * @param {(sent: number, total: number) => void} onProgress Called with bytes.
 * @param {AbortSignal} signal
 */
export function uploadDataset(form, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not report the progress of a body
    let timer;
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), UPLOAD_SILENCE);
    };
    request.open("POST", address("datasets"));
    request.setRequestHeader("X-Api-Key", readKey());
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      watch();
      onProgress(event.loaded, event.total);
    });
    request.upload.addEventListener("load", () => clearTimeout(timer)); // the server may check a large zip for long
    request.addEventListener("load", () => {
      if (request.status === 200) resolve(request.response);
      else reject(errorOf(request.response, request.status));
    });
    const broken = "The upload broke off: the server closed the connection. The file may be larger than it takes.";
    request.addEventListener("error", () => reject(new ApiError(broken)));
    request.addEventListener("abort", () =>
      reject(new ApiError(signal.aborted ? "The upload was cancelled." : "The upload stalled and was given up.")),
    );
    request.addEventListener("loadend", () => clearTimeout(timer));
    signal.addEventListener("abort", () => request.abort());
    watch();
    request.send(form);
  });
}
