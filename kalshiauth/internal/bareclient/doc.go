// Package bareclient is the reason for package kalshiauth, kept visible: the client that oapi-codegen writes from our
// document when nobody tunes it, frozen as it came. Its tests show what that client gets wrong, one test a mistake, and
// pass where it goes wrong; should one fail after a new generation, a reason is gone. That kalshiauth gets the same
// cases right is in its generated_test.go.
//
// It is a module of its own, so that the wrong code and what it needs stay out of users' module graph.
package bareclient
