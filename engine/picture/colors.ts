// The colours of states in pictures: light fills under dark text, told apart in print by their names in the legend.

export const INK = '#1c2024';
export const FAINT = '#5b6470';
export const NEUTRAL = { fill: '#f1f4f8', line: '#8a97a8' };

export const STATE_COLORS: Readonly<Record<string, { readonly fill: string; readonly line: string }>> = {
  failed: { fill: '#fbd5d5', line: '#b3393c' },
  running: { fill: '#d6e6fb', line: '#2f6bb8' },
  stale: { fill: '#fdeec4', line: '#a97b12' },
  blocked: { fill: '#e6e8eb', line: '#7b8490' },
  restored: { fill: '#d5f0ec', line: '#24857a' },
  fresh: { fill: '#dcf2da', line: '#3d8a45' },
};
