import { defineConfig } from 'vite';
import { mockDesk } from './server';

export default defineConfig({ plugins: [mockDesk()] });
