// Looking up what a person or a task named, in a plain object: `constructor` and `toString` are names like others, and none of what every
// object inherits.
export const own = <T>(map: { readonly [name: string]: T }, name: string): T | undefined =>
  Object.hasOwn(map, name) ? map[name] : undefined;
