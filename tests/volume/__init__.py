"""Tests of volumes: every shortcut against the definition that it cuts short."""
