// Server-sent events: from text that comes in pieces, split anywhere, to the data of each event.

export class EventReader {
  #rest = "";

  /** Take the next piece of text, and return the data of the events that it completes. */
  push(piece) {
    const lines = (this.#rest + piece).split(/\r?\n/);
    this.#rest = lines.pop();
    return lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
  }
}
