//! The rules, one by one, through [`Arm::call`].
