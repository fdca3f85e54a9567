/** What a bench or the help desk may look at: the connection that is shown now. */
interface Window {
  estrade?: { connection: RTCPeerConnection | null };
}
