"""The REST routes and the WebSocket: authentication, validation, HTTP status codes."""
