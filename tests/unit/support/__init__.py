"""Tests of appliance.support."""
