"""Fits the calibration of a profile; every command writes a YAML file in agent/calibration."""
