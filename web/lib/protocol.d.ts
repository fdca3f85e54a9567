// Made by protocol/schema.py from the models of protocol/. Do not edit.

/** How pupils get into the room's next or present lesson. It exists before Start; the room keeps it on disk. */
export interface Access {
  lesson: string;
  code: string;
  /** the standing link, absolute */
  link: string;
}

/** What came of a button: ``POST /api/v1/rooms/{room}/stop``, ``…/mute``, ``…/propose`` and ``…/seen``. */
export interface ActAnswer {
  ok: true;
}

/** What came of a command: ``ok`` with a result, or an error. */
export interface Answer {
  ok: boolean;
  result: Record<string, unknown>;
  error: Problem | null;
}

/** The page is closed. */
export interface Bye {
  type: "bye";
}

/** One thing that is looked at. */
export interface Check {
  id: string;
  status: CheckStatus;
  since: string;
  value: number | null;
  unit: string | null;
  message: Text | null;
  remedy: Text | null;
}

/** ``cmd/check.seen`` → {}: somebody at the centre has seen an alarm that stays until then; fine when there is none. */
export interface CheckSeen {
  check: string;
  actor: string;
}

/** The four words for the health of anything. */
export type CheckStatus = "ok" | "warning" | "critical" | "unknown";

/** One act, either way. ``deadline`` is in the centre's time, in seconds since 1970. */
export interface Command {
  id: string;
  deadline: number;
  args: Record<string, unknown>;
}

/** Desired state: whole, never a difference; idempotent by ``rev``. */
export interface ConfigDocument {
  rev: number;
  config: RoomConfig;
}

/** Birth or death of one controller instance. */
export interface ControllerStatus {
  online: boolean;
  sid: string;
  reason: DeathReason | null;
  version: string | null;
  at: string;
}

/** Why a room or controller is no longer there. */
export type DeathReason = "lost" | "shutdown" | "failed" | "update" | "reboot";

export interface DeviceBack {
  kind: "device.back";
  device: string;
  role: DeviceRole;
  away_s: number;
}

export interface DeviceLost {
  kind: "device.lost";
  device: string;
  role: DeviceRole;
  problem: Problem;
}

/** One device as the room sees it now. */
export interface DeviceReport {
  id: string;
  role: DeviceRole;
  name: string;
  driver: string;
  /** open for a lesson, now */
  is_open: boolean;
  status: CheckStatus;
  since: string;
  problem: Problem | null;
}

/** What a device is for. */
export type DeviceRole = "camera" | "microphone" | "board" | "loudspeaker";

/** The lesson is over, or this viewer is shown out; the connection closes after it. */
export interface Ended {
  type: "ended";
  reason: "lesson-ended" | "room-closing" | "removed";
}

/** A fact with an id. It stays in the room's outbox until the centre has stored it and said so. */
export interface Event {
  id: string;
  at: string;
  fact: LessonStarted | LessonEnded | DeviceLost | DeviceBack | ViewerJoined | ViewerLeft | ProposalAnswered | SendingStopped;
}

/** ``cmd/event.ack`` → {}: the centre has stored these. */
export interface EventAck {
  ids: string[];
}

/** One line of what happened. Item of ``GET /api/v1/rooms/{room}/events``; data of the SSE ``event``. */
export interface EventView {
  id: string;
  room: string;
  kind: string;
  at: string;
  fact: Record<string, unknown>;
}

export interface EventsView {
  events: EventView[];
}

/** ``POST /api/lesson/freeze``: the board's last picture stays for pupils, or the board is shown again. */
export interface FreezeBody {
  frozen: boolean;
}

/** Numbers, each 10 s, in a lesson each 3 s; never stored one by one. */
export interface Health {
  sid: string;
  seq: number;
  uptime_s: number;
  /** of one core, the agent with its children */
  cpu_percent: number;
  /** proportional set size of the agent with its children */
  memory_mb: number;
  viewers: number;
  tracks: Record<string, TrackHealth>;
  checks: Check[];
}

/** First message of a page: who it is (the name may be empty) and whether it stands in the room itself. */
export interface Hello {
  type: "hello";
  name: string;
  is_in_room: boolean;
}

/** ``req/ice`` → `IceTold`: the room tries its ICE servers before a pupil depends on them. */
export interface IceAsked {
}

/** As in W3C's RTCIceServer. */
export interface IceServer {
  urls: string[];
  username: string | null;
  credential: string | null;
}

export interface IceTold {
  ice_servers: IceServer[];
}

/** The ticket: ``token`` goes as Bearer to WHEP and to the lesson's live events. */
export interface JoinAnswer {
  token: string;
  /** path of the WHEP endpoint */
  whep: string;
  /** path of the SSE of this lesson */
  events: string;
  ice_servers: IceServer[];
  expires_at: string;
  view: LessonView;
}

/** ``POST /api/v1/join``: exactly one of code and link. */
export interface JoinRequest {
  code?: string | null;
  /** the secret part of a standing link */
  link?: string | null;
}

export interface LessonEnded {
  kind: "lesson.ended";
  lesson: string;
  reason: string;
  duration_s: number;
  viewers_most: number;
}

/** ``cmd/lesson.mute`` → {}: hold back what is named. There is no way to say that something be let out again. */
export interface LessonMute {
  actor: string;
  camera: false | null;
  board: false | null;
  sound: false | null;
}

/** ``cmd/lesson.propose`` → {}; somebody in the room accepts it, or it runs out. */
export interface LessonPropose {
  proposal: string;
  actor: string;
  expires_s: number;
}

/** The lesson that runs in the room. */
export interface LessonReport {
  id: string;
  started_at: string;
  origin: "panel" | "proposal" | "resumed";
}

export interface LessonStarted {
  kind: "lesson.started";
  lesson: string;
  origin: string;
}

/** Where the room stands. What is already true in each is said under it. */
export type LessonState = "idle" | "preparing" | "live" | "degraded" | "ending" | "failed";

/** ``cmd/lesson.stop`` → {}. */
export interface LessonStop {
  actor: string;
}

/** The lesson as somebody with a ticket may know it; also the data of the SSE event ``lesson``. */
export interface LessonView {
  lesson: string;
  room: string;
  room_name: string;
  room_online: boolean;
  /** open: an offer is welcome now */
  phase: "waiting" | "open" | "ended";
  state: LessonState;
  paused: boolean;
}

/** The lesson as the pupil may know it: at once after ``hello`` and on every change. */
export interface Notice {
  type: "notice";
  /** name of the room */
  room: string;
  state: LessonState;
  paused: boolean;
  on_air: OnAir;
  /** the teacher holds the board's picture as it was */
  frozen: boolean;
  elapsed_s: number;
  viewers: number;
  /** tracks whose device is away, so that a stand-in is sent */
  stand_in: ("camera" | "board" | "sound")[];
}

/** What the teacher lets out. ``sound`` false is muted. Independent of ``paused`` and of the lesson's state. */
export interface OnAir {
  camera: boolean;
  board: boolean;
  sound: boolean;
}

/** ``POST /api/lesson/on-air``: only what is given changes. ``sound`` false mutes. */
export interface OnAirBody {
  camera?: boolean | null;
  board?: boolean | null;
  sound?: boolean | null;
}

/** A lesson that a power cut ended: somebody in the room says whether it goes on. */
export interface PanelInterrupted {
  lesson: string;
  started_at: string;
  /** when it was last seen running */
  interrupted_at: string;
}

/** Sound meter; data of the SSE event ``level``, ten a second while the microphone is open. */
export interface PanelLevel {
  rms_dbfs: number;
  peak_dbfs: number;
}

export interface PanelProposal {
  id: string;
  actor: string;
  remaining_s: number;
}

/** One line after the lesson. */
export interface PanelSummary {
  lesson: string;
  duration_s: number;
  viewers_most: number;
  problems: Text[];
}

/** Everything the panel shows. ``GET /api/panel``; data of the SSE event ``panel``, sent on change. */
export interface PanelView {
  room: string;
  room_name: string;
  state: LessonState;
  elapsed_s: number | null;
  paused: boolean;
  /** the teacher holds the board's picture as it was */
  frozen: boolean;
  on_air: OnAir;
  /** it was the centre that muted the sound */
  muted_from_afar: boolean;
  sign: Sign;
  viewers: PanelViewer[];
  steps: Step[];
  devices: DeviceReport[];
  /** what the running lesson goes without */
  missing: DeviceRole[];
  access: Access | null;
  /** locked: names, code and link are left out until the PIN is typed */
  pin: "none" | "locked" | "open";
  centre: "connected" | "no-controller" | "away";
  centre_since: string | null;
  proposal: PanelProposal | null;
  interrupted: PanelInterrupted | null;
  summary: PanelSummary | null;
  problem: Problem | null;
}

/** One pupil on the panel's list; the name came over the lesson channel and goes nowhere else. */
export interface PanelViewer {
  viewer: string;
  name: string;
  /** seconds since it connected */
  joined_s: number;
  is_connected: boolean;
  /** its page says that picture and sound arrive */
  is_receiving: boolean;
  is_heard: boolean;
}

/** ``POST /api/lesson/pause``. */
export interface PauseBody {
  paused: boolean;
}

/** An error as data: ``code`` is one of `protocol.errors.CODES`. */
export interface Problem {
  code: string;
  message: string;
  retry_after_s: number | null;
}

/** RFC 9457: ``application/problem+json``. */
export interface ProblemJson {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  retry_after_s: number | null;
}

export interface ProposalAnswered {
  kind: "proposal.answered";
  proposal: string;
  accepted: boolean;
  reason: "accepted" | "refused" | "expired";
}

/** ``POST /api/proposal``. */
export interface ProposalBody {
  id: string;
  accept: boolean;
}

/** A start proposed from afar that waits for somebody in the room. */
export interface ProposalReport {
  id: string;
  actor: string;
  expires_at: string;
}

/** What the page really gets, each 2 s: "n of N pupils hear and see you" is made of these. */
export interface Reception {
  type: "reception";
  /** board pictures presented a second */
  board_fps: number;
  camera_fps: number;
  /** sound packets arrive and the page plays them */
  is_heard: boolean;
  loss_percent: number;
  rtt_ms: number | null;
}

/** What the centre wishes of a room. */
export interface RoomConfig {
  name: string;
  access: Access | null;
}

/** Everything the room reports as true, on change, retained. */
export interface RoomState {
  sid: string;
  state: LessonState;
  lesson: LessonReport | null;
  paused: boolean;
  /** the teacher holds the board's picture as it was */
  frozen: boolean;
  on_air: OnAir;
  sign: Sign;
  viewers: number;
  devices: DeviceReport[];
  proposal: ProposalReport | null;
  config_rev: number | null;
  /** why the lesson failed, or the config was refused */
  problem: Problem | null;
  at: string;
}

/** Birth (``online`` true) or death; a death with another ``sid`` than the last birth's is ignored. */
export interface RoomStatus {
  online: boolean;
  /** made anew for each connection */
  sid: string;
  reason: DeathReason | null;
  /** the kernel's boot id */
  boot: string | null;
  /** version of the agent */
  agent: string | null;
  proto: number;
  at: string;
}

/** One room as last reported, with its age. Item of ``GET /api/v1/rooms``; data of the SSE ``room``. */
export interface RoomView {
  id: string;
  name: string;
  territory: string;
  link: "online" | "late" | "offline" | "unknown" | "off";
  link_since: string;
  /** since the room last said anything; None: never */
  reported_age_s: number | null;
  /** true after a death: what follows was true, and may not be any more */
  is_stale: boolean;
  /** worst of its devices, its checks and its link */
  status: CheckStatus;
  state: LessonState | null;
  lesson: string | null;
  lesson_started_at: string | null;
  paused: boolean;
  frozen: boolean;
  on_air: OnAir | null;
  sign: Sign | null;
  viewers: number;
  devices: DeviceReport[];
  checks: Check[];
  agent: string | null;
  cpu_percent: number | null;
  memory_mb: number | null;
  problem: Problem | null;
  proposal: string | null;
}

/** ``GET /api/v1/rooms``. */
export interface RoomsView {
  at: string;
  rooms: RoomView[];
  /** for `GET /api/v1/events?since=`: only what changes after this list */
  cursor: string;
}

export interface RtcAnswer {
  sdp: string;
}

/** ``cmd/rtc.candidate`` → {}; candidates as in ``a=candidate:`` lines, without the ``a=``. */
export interface RtcCandidate {
  viewer: string;
  candidates: string[];
  mid: string | null;
  is_last: boolean;
}

/** ``cmd/rtc.close`` → {}. */
export interface RtcClose {
  viewer: string;
  reason: string;
}

/** ``cmd/rtc.offer`` → `RtcAnswer`. */
export interface RtcOffer {
  viewer: string;
  sdp: string;
  ice_servers: IceServer[];
  /** the same for all connections of one ticket, and nothing else; absent: not known */
  holder: string | null;
}

/** ``POST /api/v1/rooms/{room}/seen``: an alarm that stays until somebody has seen it. */
export interface SeenBody {
  check: string;
}

/** A media packet left though no lesson ran; the agent stopped the sending by ending itself. */
export interface SendingStopped {
  kind: "sending.stopped";
  /** whose sender it was */
  lesson: string;
  /** since that lesson was over */
  after_s: number;
}

/** ``GET /api/v1/session``: who is signed in. */
export interface SessionView {
  name: string;
  role: "admin" | "viewer";
}

/** The on-air sign: driven by open devices and packets that left, never by a variable (DESIGN §6). */
export type Sign = "off" | "open" | "live";

/** ``POST /api/v1/session``. */
export interface SignIn {
  name: string;
  password: string;
}

/** One thing that Start does, as it is done. */
export interface Step {
  id: "camera" | "microphone" | "board";
  state: "waiting" | "done" | "failed";
}

/** One sentence in both languages. */
export interface Text {
  fr: string;
  en: string;
}

/** ``req/time`` → `TimeTold`: the room learns the offset of its clock at each connection. */
export interface TimeAsked {
}

export interface TimeTold {
  /** the centre's time, seconds since 1970 */
  now: number;
}

/** Numbers of one track over the last period. */
export interface TrackHealth {
  /** pictures, or 20 ms blocks, that the device gave a second */
  captured_hz: number;
  /** of what is sent; 0 while nobody watches */
  encoded_hz: number;
  /** of the encoder, before any viewer */
  bitrate_bps: number;
  is_stand_in: boolean;
}

/** ``POST /api/unlock``: the PIN, for names and code. */
export interface UnlockBody {
  pin: string;
}

/** No name, no address: only that somebody came. */
export interface ViewerJoined {
  kind: "viewer.joined";
  viewer: string;
}

export interface ViewerLeft {
  kind: "viewer.left";
  viewer: string;
  reason: string;
  stayed_s: number;
}

/** Every stable error code. */
export type ErrorCode = "internal" | "config-invalid" | "device-failed" | "device-not-found" | "device-busy" | "device-unsupported" | "device-protocol" | "device-password" | "device-ambiguous" | "preset-not-found" | "device-timeout" | "device-lost" | "device-not-now" | "device-permission" | "disk-failed" | "lesson-transition" | "lesson-not-found" | "lesson-not-started" | "lesson-ended" | "proposal-none" | "room-not-found" | "room-offline" | "room-timeout" | "starting" | "offer-invalid" | "offer-too-large" | "offer-throttled" | "no-common-codec" | "viewer-not-found" | "viewer-limit" | "candidate-invalid" | "ice-restart-unsupported" | "broker-unavailable" | "broker-certificate" | "broker-not-authorised" | "broker-refused" | "message-too-large" | "command-failed" | "command-late" | "command-unknown" | "args-invalid" | "code-wrong" | "code-throttled" | "link-wrong" | "token-invalid" | "access-refused" | "sign-in-failed" | "sign-in-throttled" | "forbidden" | "cross-site" | "panel-token" | "panel-locked" | "pin-wrong" | "pin-throttled" | "not-found" | "method-not-allowed" | "body-invalid" | "body-too-large" | "unsupported-media-type" | "pki-missing" | "pki-unusable" | "csr-invalid" | "database-unavailable" | "database-unusable" | "port-taken" | "centre-unreachable" | "already-running" | "no-network" | "not-ready" | "program-missing";
