"""Emotion for agents: a Pipecat processor, and a server of the Model Context Protocol."""
