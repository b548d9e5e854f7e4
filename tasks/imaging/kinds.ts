// What an image kind of pipeline.yml means: the three channels of its pictures. `adjacent_hu` has three neighbouring slices,
// every other kind three windows of one slice: names of windows joined by `_`, as in `brain_subdural_bone`, or a single one for
// all three channels. `own` is the window that the file itself asks for.
import { WINDOWS } from './windows.ts';

export type WindowName = keyof typeof WINDOWS | 'own';
/** How Hounsfield units become 8 bits: clipped to 0..255, or by a window. */
export type ChannelName = WindowName | 'clip';

export interface PictureKind {
  readonly name: string;
  /** True: the channels are the slice above, the slice and the slice below. */
  readonly neighbours: boolean;
  readonly channels: readonly [ChannelName, ChannelName, ChannelName];
}

export const WINDOW_NAMES = [...Object.keys(WINDOWS), 'own'] as WindowName[];

/** Null where the name is none of a kind. */
export function kindOf(name: string): PictureKind | null {
  if (name === 'adjacent_hu') return { name, neighbours: true, channels: ['clip', 'clip', 'clip'] };
  const windows = splitWindows(name);
  if (windows?.length === 1) return { name, neighbours: false, channels: [windows[0]!, windows[0]!, windows[0]!] };
  if (windows?.length === 3)
    return { name, neighbours: false, channels: windows as [WindowName, WindowName, WindowName] };
  return null;
}

/** No window's name begins with another's and `_`, so at most one name fits at each place. */
function splitWindows(text: string): WindowName[] | null {
  if (text === '') return [];
  const window = WINDOW_NAMES.find((name) => text === name || text.startsWith(`${name}_`));
  const rest = window && splitWindows(text.slice(window.length + 1));
  return rest ? [window, ...rest] : null;
}
