// Package delivery is the steps of a delivery, with their undos: what is done
// to each server of a fleet, over any kind of host.Server.
package delivery
