export { IGPUModel } from './model/tokens';
export { default } from './plugins';
