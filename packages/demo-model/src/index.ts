export { DEMO_MODEL, demoModelPath } from './demo-model.js';
