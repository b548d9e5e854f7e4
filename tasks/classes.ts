// The six labels in the one order that every table, tensor and metric of the pipeline uses, and their weights.

export const CLASSES = ['any', 'epidural', 'intraparenchymal', 'intraventricular', 'subarachnoid', 'subdural'] as const;
export type ClassName = (typeof CLASSES)[number];

/** The competition's weights, in the order of CLASSES; the metric and the loss divide by their sum, 7. */
export const CLASS_WEIGHTS = [2, 1, 1, 1, 1, 1] as const;
