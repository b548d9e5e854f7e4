// How numbers are written in the report.
import type { Estimate } from '../statistics/losses.ts';

export function digits(value: number | null | undefined, places = 4): string {
  return value === null || value === undefined || !Number.isFinite(value) ? '–' : value.toFixed(places);
}

export function interval({ value, low, high }: Estimate, places = 4): string {
  return value === null ? '–' : `${digits(value, places)} (${digits(low, places)}–${digits(high, places)})`;
}

/** A rate with its interval, three digits. */
export function rate(estimate: Estimate): string {
  return interval(estimate, 3);
}

/** A change with its sign and interval, `−0.0123 (−0.0150 to −0.0099)`. */
export function change({ value, low, high }: Estimate, places = 4): string {
  return value === null ? '–' : `${signed(value, places)} (${signed(low, places)} to ${signed(high, places)})`;
}

export function signed(value: number | null, places: number): string {
  if (value === null) return '–';
  const text = Math.abs(value).toFixed(places);
  return Number(text) === 0 ? text : `${value < 0 ? '−' : '+'}${text}`;
}

export function count(value: number | string): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

export function percent(part: number, whole: number, places = 1): string {
  return whole === 0 ? '–' : `${((100 * part) / whole).toFixed(places)} %`;
}
