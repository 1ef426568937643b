"""Tests of the checks that refuse a scan or warn of it."""
