import { configure } from '@testing-library/react';

// For slow machines.
configure({ asyncUtilTimeout: 10_000 });
