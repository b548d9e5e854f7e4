// How all plots look: one palette that colour-blind readers can tell apart (Okabe and Ito 2008), one set of fonts and lines.

export const PALETTE = ['#000000', '#e69f00', '#56b4e9', '#009e73', '#cc79a7', '#d55e00', '#0072b2', '#b8a900'];
export const GREY = '#9aa0a6';

const FONT = 'Helvetica, Arial, sans-serif';

/** Vega-Lite's `config`. */
export const CONFIG = {
  background: 'white',
  padding: 12,
  font: FONT,
  axis: {
    gridColor: '#e8eaed',
    domainColor: '#5f6368',
    tickColor: '#5f6368',
    labelFontSize: 12,
    titleFontSize: 13,
    titleFontWeight: 'normal',
    labelColor: '#3c4043',
    titleColor: '#202124',
  },
  header: { labelFontSize: 13, labelFontWeight: 'bold', labelColor: '#202124' },
  legend: {
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    symbolStrokeWidth: 3,
    symbolSize: 200,
    labelLimit: 320,
    columnPadding: 16,
  },
  title: { fontSize: 15, anchor: 'start', fontWeight: 'bold', color: '#202124', offset: 12 },
  view: { stroke: null },
} as const;
