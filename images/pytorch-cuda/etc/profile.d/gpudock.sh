# Login shells, as SSH starts them, find what the user installed, as all other shells do.
PATH="/workspace/.local/bin:$PATH"
