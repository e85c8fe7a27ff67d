// A value while it is put together, before it goes out read-only. Fields that may be absent are set
// one by one, which costs no copies as spreading would.

export type Writable<T> = { -readonly [K in keyof T]: T[K] }
