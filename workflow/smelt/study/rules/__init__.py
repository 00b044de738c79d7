"""What rules ask about a study, besides makers: one class for each rule file, in the module of its name."""
