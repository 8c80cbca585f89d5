/** What the program ends with; `usage` also stands for values that are out of range. */
export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;
