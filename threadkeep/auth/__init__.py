"""Who asks, and what they may: API keys, JWTs, and the project's own `langgraph_sdk.Auth` handlers."""
