// Package accesstest holds temporary access against a real API server: that people
// get what was approved and no more, that a grant ends though the controller is dead,
// and that its holder cannot prolong or copy it. The controller is a process of its
// own with the rights that leat install prints; people work with leat access. There
// is no code here beside tests.
package accesstest
