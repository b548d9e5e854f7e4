// What lies at a path and has no content to hash: a link to nothing, a loop of links, a socket, a folder that may not be read.
// Whoever put it there has to take it away; the message says what and where.
export class Unhashable extends Error {
  override readonly name = 'Unhashable';
}
