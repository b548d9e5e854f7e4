// Colours of the terminal: none in pipes, in CI without a terminal, or with NO_COLOR (picocolors decides).
import pc from 'picocolors';

export const colors = {
  enabled: pc.isColorSupported && process.stderr.isTTY === true,
};

const palette = pc.createColors(colors.enabled);
export const { bold, dim, green, red, yellow, cyan } = palette;
