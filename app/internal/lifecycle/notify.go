package lifecycle

import "net"

// notify sends a state to the socket as sd_notify(3) does. No socket: nothing
// to do. A leading @ is an abstract address, which package net understands.
func notify(socket, state string) error {
	if socket == "" {
		return nil
	}
	connection, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	_, err = connection.Write([]byte(state))
	return err
}
