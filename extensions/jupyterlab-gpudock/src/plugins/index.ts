export { default } from './panel';
