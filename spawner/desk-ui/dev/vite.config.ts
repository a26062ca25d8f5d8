import { defineConfig } from 'vite';
import { fakeDesk } from './server';

export default defineConfig({ plugins: [fakeDesk()] });
