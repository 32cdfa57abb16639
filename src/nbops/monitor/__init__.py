"""Drift, realised performance, alerts: what a deployment's stored profiles and labels say."""
