export { type HostInfo, hostInfo, type KernelSet } from './host-info.js';
export { inspectModel, type ModelInspection } from './inspect-model.js';
export { NativeEngine } from './native-engine.js';
export { NativeSession } from './native-session.js';
export { NativeTokenizer, type TokenizerInfo } from './native-tokenizer.js';
export { type OpenEngineOptions, openEngine } from './open-engine.js';
export { openTokenizer } from './open-tokenizer.js';
export { type ProbeOptions, probeHardware } from './probe-hardware.js';
