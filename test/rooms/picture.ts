// The table of rooms as text, for ARCHITECTURE.md and the READMEs: a line a room, what it holds, and whom it may import.
import type { Floor } from './floors.ts';

const OPEN = (house: string) => `<!-- rooms: ${house}, made of test/rooms/floors.ts -->`;
const CLOSE = '<!-- end of rooms -->';

export function pictureOf(house: string, rooms: readonly Floor[]): string {
  const width = (texts: readonly string[]) => Math.max(...texts.map((text) => text.length));
  const names = rooms.map(({ room }) => (room === house ? `${house}/*.ts` : room));
  const held = rooms.map(({ holds }) => holds);
  return rooms
    .map(({ mayImport }, at) => {
      const line = `    ${names[at]!.padEnd(width(names))}  ${held[at]!.padEnd(width(held))}`;
      const above = rooms.slice(0, at).map(({ room }) => room);
      return (mayImport.length > 0 ? `${line}  ← ${arrowsOf(house, mayImport, above)}` : line).trimEnd();
    })
    .join('\n');
}

/** All of a folder's rooms that stand above are told as one. */
function arrowsOf(house: string, mayImport: readonly string[], above: readonly string[]): string {
  const folderOf = (room: string) => room.split('/').slice(0, -1).join('/');
  const isWhole = (folder: string) => {
    const rooms = above.filter((room) => room.startsWith(`${folder}/`));
    return folder !== house && rooms.length > 1 && rooms.every((room) => mayImport.includes(room));
  };
  const told = mayImport.map((room) => (isWhole(folderOf(room)) ? `${folderOf(room)}/*` : room));
  const short = (name: string) =>
    name.startsWith('cache/') && house !== 'cache' ? 'cache' : name.replace(`${house}/`, '').replace(/\.ts$/, '');
  return [...new Set(told.map(short))].join(' ');
}

/** The document with the picture of the house between its marks. */
export function withPicture(text: string, house: string, rooms: readonly Floor[]): string {
  const from = text.indexOf(OPEN(house));
  const to = text.indexOf(CLOSE, from);
  if (from < 0 || to < 0) throw new Error(`no place for the picture: ${OPEN(house)} … ${CLOSE}`);
  return `${text.slice(0, from)}${OPEN(house)}\n\n${pictureOf(house, rooms)}\n\n${text.slice(to)}`;
}
