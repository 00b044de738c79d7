"""Answers to rules about a study: one class for each rule file that is no maker's, in the module of its name."""
