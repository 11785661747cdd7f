"""Single operators, each written in others that every later pass knows."""
