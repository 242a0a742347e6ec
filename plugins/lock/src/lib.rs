//! The fair lock recipe, a component.
