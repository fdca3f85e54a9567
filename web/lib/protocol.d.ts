// Made by protocol/schema.py from the models of protocol/. Do not edit.

/** How pupils get into the room's next or present lesson. It exists before Start; the room keeps it on disk. */
export interface Access {
  lesson: string;
  code: string;
  /** the standing link, absolute */
  link: string;
}

/** An account; ``is_local``: it signs in with a password of this centre. */
export interface AccountView {
  name: string;
  grants: GrantView[];
  is_local: boolean;
  has_second_step: boolean;
}

/** ``GET /api/v1/accounts``, by name. */
export interface AccountsView {
  accounts: AccountView[];
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

/** ``POST /api/audience/answered``: this question is answered, aloud as a rule. */
export interface AnsweredBody {
  pupil: string;
  id: string;
}

/** The page is closed. */
export interface Bye {
  type: "bye";
}

/** Takes back `CannotHear`: the pupil tapped that it hears again, or its page found that what was wrong is over. */
export interface CanHear {
  type: "can-hear";
}

/** One tap *Je n'entends pas*, with what the page found when it checked itself. */
export interface CannotHear {
  type: "cannot-hear";
  found: string;
}

/** A sentence that is said; one with the same id takes the place of the one before until it is final. */
export interface Caption {
  type: "caption";
  id: number;
  text: string;
  language: string;
  is_final: boolean;
}

/** ``req/cert.renew`` → `CertRenewTold`: a certificate for a key that the room has made anew. */
export interface CertRenewAsked {
  csr_pem: string;
}

export interface CertRenewTold {
  certificate_pem: string;
  ca_pem: string;
  /** ask again from then on */
  renew_after: string;
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
  /** of the lease under which it was published */
  epoch: number;
  config: RoomConfig;
}

/** ``POST /api/camera/confirm``: somebody in the room looked at this view and found it right. */
export interface ConfirmBody {
  view: string;
}

/** Birth or death of one controller instance. */
export interface ControllerStatus {
  online: boolean;
  sid: string;
  reason: DeathReason | null;
  version: string | null;
  /** a centre that does not say it is of 1: it drops a short `Health` */
  proto: number;
  at: string;
}

/** Why a room or controller is no longer there. */
export type DeathReason = "lost" | "shutdown" | "failed" | "update" | "reboot" | "revoked" | "settings";

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
  /** of several microphones: this is the one that pupils hear */
  in_use: boolean | null;
}

/** What a device is for. */
export type DeviceRole = "camera" | "microphone" | "board" | "loudspeaker" | "board-sound";

/** The lesson is over, or this viewer is shown out; the connection closes after it. */
export interface Ended {
  type: "ended";
  reason: "lesson-ended" | "room-closing" | "removed" | "refused" | "misused";
}

/** A fact with an id. It stays in the room's outbox until the centre has stored it and said so. */
export interface Event {
  id: string;
  at: string;
  fact: LessonStarted | LessonEnded | DeviceLost | DeviceBack | MicrophoneChanged | ViewerJoined | ViewerLeft | ViewerRemoved | ProposalAnswered | SendingStopped | RepairTried | SelfTestDone | TimetableRefused | LookAnswered | SettingsTaken | SettingsRefused | UpdateDone | LessonWarned;
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

/** ``POST /api/lesson/framing``: the camera's picture follows people by itself, or shows what the camera shows. */
export interface FramingBody {
  on: boolean;
}

/** ``POST /api/lesson/freeze``: the board's last picture stays for pupils, or the board is shown again. */
export interface FreezeBody {
  frozen: boolean;
}

/** A role, and where it holds. */
export interface GrantView {
  role: "admin" | "teacher" | "viewer";
  scope: string;
}

/** The pupil raises a hand, or takes it down. */
export interface Hand {
  type: "hand";
  is_raised: boolean;
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
  numbers: HealthNumbers;
  /** all, with values; None: as in the last that had them */
  checks: Check[] | null;
}

/** What the room measured over the last period; None is what was not measured. */
export interface HealthNumbers {
  /** of the microphone that pupils hear */
  sound_dbfs: number | null;
  /** of what pupils are sent */
  programme_dbfs: number | null;
  /** temperature of the mini-PC's processor, °C */
  cpu_c: number | null;
  /** sent to all viewers together */
  uplink_bps: number | null;
  /** of what was sent, as viewers report it */
  loss_percent: number | null;
  /** there and back, the viewers' median */
  rtt_ms: number | null;
}

/** First message of a page: who it is (the name may be empty) and whether it stands in the room itself. */
export interface Hello {
  type: "hello";
  name: string;
  is_in_room: boolean;
}

/** ``POST /api/camera/hold``: a button is held; said again each 0.2 s, or the camera stops after half a second. */
export interface HoldBody {
  press: string;
  /** share of the top speed, -1 left … 1 right */
  pan?: number;
  /** -1 down … 1 up */
  tilt?: number;
  /** -1 wide … 1 narrow */
  zoom?: number;
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
  /** path of the WHIP endpoint, for a pupil whose hand is taken */
  whip: string;
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

export type JsonValue = unknown;

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
  origin: "panel" | "proposal" | "resumed" | "timetable";
  /** the planned lesson that it is */
  plan: string | null;
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

/** The room was told that its lesson ends by the timetable in a moment. */
export interface LessonWarned {
  kind: "lesson.warned";
  lesson: string;
}

/** ``POST /api/audience/lobby``: newcomers wait until they are let in, or come in at once. */
export interface LobbyBody {
  on: boolean;
}

/** ``POST /api/audience/lock``: nobody new comes in, or the door is open again. */
export interface LockBody {
  on: boolean;
}

/** One line of a room's log, asked for by somebody; its fields are scrubbed as the log itself is. */
export interface LogLine {
  at: string;
  level: "INFO" | "WARNING" | "ERROR" | "CRITICAL";
  logger: string;
  text: string;
  fields: Record<string, string>;
}

/** What came of a look that was asked for from afar. */
export interface LookAnswered {
  kind: "look.answered";
  request: string;
  accepted: boolean;
  reason: "accepted" | "refused" | "expired" | "failed";
}

/** A look that was asked for from afar and waits for somebody in the room, or is being taken. */
export interface LookReport {
  request: string;
  what: "snapshot" | "sound";
  actor: string;
  expires_at: string;
  is_accepted: boolean;
}

/** ``POST /api/lesson/microphone``: hear this one. ``…/microphone/not-now``: do not propose it again. */
export interface MicrophoneBody {
  id: string;
}

/** Pupils hear the room by another of its microphones from now on. */
export interface MicrophoneChanged {
  kind: "microphone.changed";
  device: string;
  before: string;
  /** the one before died; the wanted one is back; somebody here chose it, or took what was proposed */
  reason: "lost" | "back" | "chosen" | "proposed";
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
  /** what pupils are sent is recorded in the room, now */
  recording: boolean;
  /** the other pupils hear one whose hand is taken, now */
  pupil_speaks: boolean;
  elapsed_s: number;
  viewers: number;
  /** tracks whose device is away, so that a stand-in is sent */
  stand_in: ("camera" | "board" | "sound")[];
}

/** ``GET /api/v1/oidc``: whether people sign in with another service too. */
export interface OidcView {
  /** what they call it; null: there is none */
  label: string | null;
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

/** What pupils say and who may come in, while a lesson runs. */
export interface PanelAudience {
  /** newcomers wait until somebody here lets them in */
  has_lobby: boolean;
  /** nobody new comes in */
  is_locked: boolean;
  /** somebody was removed, and the centre has not made another code yet */
  is_code_old: boolean;
  knocking: PanelKnock[];
  hands: PanelHand[];
  questions: PanelQuestion[];
  reactions: PanelReaction[];
  troubles: PanelTrouble[];
}

/** The camera's picture that follows people by itself. */
export interface PanelFraming {
  /** crop: a part of the picture is shown; ptz: the camera turns */
  mode: "crop" | "ptz";
  is_on: boolean;
  doing: "off" | "wide" | "following" | "waiting" | "failed";
}

/** A hand that is up; the one that is called first, then in the order in which they were raised. */
export interface PanelHand {
  pupil: string;
  name: string;
  since_s: number;
  is_taken: boolean;
}

/** A lesson that a power cut ended: somebody in the room says whether it goes on. */
export interface PanelInterrupted {
  lesson: string;
  started_at: string;
  /** when it was last seen running */
  interrupted_at: string;
}

/** Somebody who waits in the lobby. */
export interface PanelKnock {
  pupil: string;
  name: string;
  since_s: number;
}

/** Sound meter; data of the SSE event ``level``, ten a second while the microphone is open. */
export interface PanelLevel {
  rms_dbfs: number;
  peak_dbfs: number;
  /** of the pupil who speaks; None: nobody does */
  pupil_dbfs: number | null;
}

/** What is withheld of the camera's picture. */
export interface PanelMasks {
  /** why pupils see a stand-in; None: they see the picture */
  cover: "moving" | "adrift" | "unchecked" | "moved" | "unknown" | null;
  /** the view at hand, which somebody in the room has to look at before pupils see it */
  to_check: string | null;
}

/** One of the room's microphones, as people there call it. */
export interface PanelMicrophone {
  id: string;
  name: string;
  is_alive: boolean;
  /** what pupils hear */
  is_in_use: boolean;
}

/** The choice in a running lesson, where the room has several. */
export interface PanelMicrophones {
  all: PanelMicrophone[];
  /** the room's own, or the one that somebody here chose; it is heard when it lives */
  wanted: string;
  /** one that hears much better; nobody has answered yet */
  proposal: string | null;
}

/** A stored view that a button goes to. */
export interface PanelPreset {
  name: string;
  /** the camera stands there */
  is_current: boolean;
  /** the camera is on its way there */
  is_heading: boolean;
  /** changes with the picture of `/api/camera/preset/{name}.jpg`; None: there is none yet */
  picture: string | null;
}

export interface PanelProposal {
  id: string;
  actor: string;
  remaining_s: number;
}

/** The camera that turns. */
export interface PanelPtz {
  is_connected: boolean;
  problem: Problem | null;
  can_turn: boolean;
  can_zoom: boolean;
  can_store: boolean;
  presets: PanelPreset[];
  /** none: not configured; locked: behind the PIN; unchecked, moved: somebody has to look at it first */
  class_preset: "none" | "offered" | "locked" | "unchecked" | "moved" | "unsupported";
}

/** A written question that waits for its answer. */
export interface PanelQuestion {
  pupil: string;
  /** the page's own, one of a kind for its pupil alone */
  id: string;
  name: string;
  text: string;
  since_s: number;
}

/** How many pupils showed this in the last seconds. */
export interface PanelReaction {
  kind: "yes" | "no" | "lost" | "slower" | "applause";
  count: number;
}

/** One recording on the room's disk. */
export interface PanelRecorded {
  id: string;
  /** None: it cannot be read, and can be deleted */
  began_at: string | null;
  duration_s: number;
  size_bytes: number;
  /** false: it was cut off, and is kept up to there */
  is_whole: boolean;
  /** when its time is over; sooner, oldest first, when room is needed */
  deleted_at: string;
  /** None: no link was asked for */
  share: PanelShare | null;
}

/** Recording in this room. */
export interface PanelRecording {
  is_running: boolean;
  elapsed_s: number | null;
  /** why the last one of this lesson ended by itself */
  problem: Problem | null;
  /** newest first; none while the PIN is asked for */
  all: PanelRecorded[];
  /** in this run of the agent, newest first */
  removed: PanelRemoved[];
}

/** A recording that the room deleted by itself. */
export interface PanelRemoved {
  began_at: string | null;
  /** its time was over; all together were too large; the lesson needs the disk */
  reason: "age" | "size" | "disk";
}

/** The screen of another computer that is, or may be, shown in the board's place. ``POST /api/screen/end`` ends it. */
export interface PanelScreen {
  /** waiting: connected, and no picture yet; silent: nothing comes for a moment, and the room's own board is shown; lost: not connected any more, its page tries again */
  state: "offered" | "waiting" | "shown" | "silent" | "lost";
  code: string | null;
  address: string | null;
  remaining_s: number | null;
}

/** A link to one recording, through the centre. */
export interface PanelShare {
  state: "waiting" | "sending" | "ready" | "failed";
  /** of it is at the centre */
  percent: number;
  /** whoever has it can see the recording until it runs out */
  link: string | null;
  expires_at: string | null;
  problem: Problem | null;
}

/** One line after the lesson. */
export interface PanelSummary {
  lesson: string;
  duration_s: number;
  viewers_most: number;
  problems: Text[];
}

/** The pupil whose hand is taken. ``POST /api/audience/lower`` ends it. */
export interface PanelTalk {
  pupil: string;
  name: string;
  /** invited: its microphone is not connected; waiting: connected, and nothing has come for a moment */
  state: "invited" | "waiting" | "heard" | "no-loudspeaker" | "paused";
}

/** A pupil touched *Je n'entends pas*; ``found`` is what its page found when it checked itself. */
export interface PanelTrouble {
  pupil: string;
  found: string;
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
  /** None: no lesson runs */
  audience: PanelAudience | null;
  /** the pupil whose hand is taken; None: nobody */
  talk: PanelTalk | null;
  /** false: only the other pupils would hear one who speaks; None: no lesson runs */
  has_loudspeaker: boolean | null;
  /** None: no other computer is to be shown */
  screen: PanelScreen | null;
  steps: Step[];
  devices: DeviceReport[];
  /** what the running lesson goes without */
  missing: DeviceRole[];
  /** what is wrong and matters to who teaches here: warning and critical, worst first */
  checks: Check[];
  /** when somebody here last recorded how the room looks and sounds normally */
  normal_at: string | null;
  microphones: PanelMicrophones | null;
  /** None: the camera does not turn */
  ptz: PanelPtz | null;
  /** None: nothing is ever withheld */
  masks: PanelMasks | null;
  /** None: the room is not configured for it */
  framing: PanelFraming | null;
  /** None: this room does not record */
  recording: PanelRecording | null;
  access: Access | null;
  /** locked: names, code and link are left out until the PIN is typed */
  pin: "none" | "locked" | "open";
  centre: "connected" | "no-controller" | "away";
  centre_since: string | null;
  proposal: PanelProposal | null;
  interrupted: PanelInterrupted | null;
  summary: PanelSummary | null;
  problem: Problem | null;
  selftest: SelfTestView | null;
}

/** One pupil on the panel's list; the name came over the lesson channel and goes nowhere else. */
export interface PanelViewer {
  viewer: string;
  name: string;
  /** seconds since it connected */
  joined_s: number;
  is_connected: boolean;
  /** it stands in the room itself, muted, and is not counted */
  is_in_room: boolean;
  /** by what its page played, compared with what the microphone heard */
  hearing: "heard" | "not-heard" | "nothing-said" | "unknown";
  why_deaf: "muted" | "blocked" | "volume-0" | "no-sound" | "silent" | "other-sound" | "no-report" | "microphone" | null;
  /** pictures move on its page; null before it has told anything */
  sees: boolean | null;
  why_blind: "no-picture" | "not-sent" | "no-report" | null;
  /** who it is beside its connections, as in `PanelAudience` */
  pupil: string;
  /** what it is sent and why; None before it is let in */
  sending: Sending | null;
}

/** ``POST /api/lesson/pause``. */
export interface PauseBody {
  paused: boolean;
}

/** A lesson of the timetable in this room. */
export interface PlannedLesson {
  id: string;
  starts_at: string;
  ends_at: string;
  title: string;
  start: "press" | "countdown";
}

/** Where to get sound and pictures from now on. Without this it is the room. */
export interface PlayFrom {
  type: "play-from";
  source: "room" | "media-server";
}

/** Where the page's sound and pictures really come from, on each change; the room sends media or rests by it. */
export interface PlaysFrom {
  type: "plays-from";
  source: "room" | "media-server";
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

/** ``POST /api/v1/rooms/{room}/propose``: the room has it; how somebody there answers is a `ProposalAnswered`. */
export interface ProposeAnswer {
  ok: true;
  proposal: string;
}

/** ``POST /api/audience/admit``, ``…/refuse``, ``…/take``, ``…/lower`` and ``…/remove``: this pupil. */
export interface PupilBody {
  pupil: string;
}

/** A written question. The page makes the id, so that one sent again is still one question. */
export interface Question {
  type: "question";
  id: string;
  text: string;
}

/** What became of a question. */
export interface QuestionState {
  type: "question-state";
  id: string;
  state: "received" | "answered" | "refused";
}

/** One tap; shown on the panel for some seconds and counted nowhere. */
export interface Reaction {
  type: "reaction";
  kind: "yes" | "no" | "lost" | "slower" | "applause";
}

/** ``POST /api/camera/recall``: go to a preset. ``to_check``: to look at it, while pupils see a stand-in. */
export interface RecallBody {
  preset: string;
  to_check?: boolean;
}

/** What the page really gets, each second: "7 of 8 pupils hear and see you" is made of these. */
export interface Reception {
  type: "reception";
  /** board pictures presented a second */
  board_fps: number;
  camera_fps: number;
  /** sound packets arrive and the page plays them */
  is_heard: boolean;
  loss_percent: number;
  rtt_ms: number | null;
  /** what becomes of the sound here */
  output: "playing" | "blocked" | "muted" | "volume-0";
  /** RMS of the sound that was played, 40 ms each, oldest first */
  levels_dbfs: number[];
  /** RTP time of what was played at the end of the last level */
  played_rtp: number | null;
}

/** ``POST /api/recording/delete``. */
export interface RecordedBody {
  id: string;
}

/** ``POST /api/recording``: record what pupils are sent, or end it. */
export interface RecordingBody {
  on: boolean;
}

/** Answer to ``PUT /api/v1/session/totp``: shown this once; each opens the second step once. */
export interface RecoveryCodes {
  codes: string[];
}

/** ``POST /api/camera/release``: the button is let go; a hold of the same press that comes late is not followed. */
export interface ReleaseBody {
  press: string;
}

/** The room tried to bring a device back by itself. */
export interface RepairTried {
  kind: "repair.tried";
  device: string;
  step: "restart-capture" | "usb-reset" | "restart-agent" | "wake-board";
  outcome: "done" | "failed" | "refused" | "unsupported";
  /** since the device was lost */
  after_s: number;
}

/** ``POST /api/device/retry``: try a device at once whose driver was set aside. */
export interface RetryBody {
  device: string;
}

/** What the centre wishes of a room. */
export interface RoomConfig {
  name: string;
  access: Access | null;
  /** its name */
  school: string;
  /** tables over those of the room's own file; held against `protocol.settings.problems` by who writes and by the room, and not here, so that a mistake there costs nobody the code of the lesson */
  settings: Record<string, JsonValue>;
  /** grows with the settings alone */
  settings_rev: number;
  start: "press" | "countdown";
  /** of the next 7 days, by time */
  lessons: PlannedLesson[];
  /** whom the panel names for help */
  help: string;
}

/** Everything the room reports as true, on change, retained. */
export interface RoomState {
  sid: string;
  state: LessonState;
  lesson: LessonReport | null;
  paused: boolean;
  /** the teacher holds the board's picture as it was */
  frozen: boolean;
  /** what pupils are sent is recorded in the room, now */
  recording: boolean;
  on_air: OnAir;
  sign: Sign;
  viewers: number;
  devices: DeviceReport[];
  /** what is wrong: warning and critical, worst first, with the value of when it became so */
  checks: Check[];
  proposal: ProposalReport | null;
  config_rev: number | null;
  /** of the settings that the room runs with */
  settings_rev: number | null;
  settings_error: SettingsError | null;
  timetable: TimetableReport | null;
  update: UpdateReport | null;
  look: LookReport | null;
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
  certificate_ends_at: string | null;
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
  recording: boolean;
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

/** ``cmd/rtc.publish`` → `RtcAnswer`: somebody wants to send to the room. */
export interface RtcPublish {
  viewer: string;
  sdp: string;
  ice_servers: IceServer[];
  /** the same as in the `RtcOffer` of this ticket, or as in `ScreenTold` */
  holder: string;
  what: "voice" | "shared";
}

/** ``cmd/rtc.relay`` → {}: may the holder of this ticket play the lesson from the media server now? */
export interface RtcRelay {
  holder: string;
}

/** The ticket of one share: ``token`` goes as Bearer to WHIP, and opens nothing else. */
export interface ScreenAnswer {
  token: string;
  /** path of the WHIP endpoint */
  whip: string;
  ice_servers: IceServer[];
  room_name: string;
}

/** ``req/screen`` → `ScreenTold`: somebody in the room wants to share the screen of another computer. */
export interface ScreenAsked {
}

/** ``POST /api/v1/screen``: the code that the panel shows to whoever wants to share a screen. */
export interface ScreenRequest {
  code: string;
}

/** A code that is good for one share in this room; an older one of the room that was not used is void. */
export interface ScreenTold {
  /** as people see it: ABCD-EFGH */
  code: string;
  /** absolute address where the code is typed */
  page: string;
  /** as `RtcPublish` will name whoever used the code */
  holder: string;
  /** so long the code can be used */
  life_s: number;
}

/** ``PUT /api/v1/session/totp``. */
export interface SecondStepBegin {
  pending: string;
  code: string;
}

/** ``POST /api/v1/session/totp/end``. */
export interface SecondStepEnd {
  code: string;
}

/** ``POST /api/v1/session/totp``: what an authenticator app needs. */
export interface SecondStepSetUp {
  /** base32, for an app without a camera */
  secret: string;
  /** the same as a picture: an SVG in a data: address */
  qr: string;
  /** to be sent back with the first code */
  pending: string;
}

/** ``POST /api/v1/rooms/{room}/seen``: an alarm that stays until somebody has seen it. */
export interface SeenBody {
  check: string;
}

/** ``POST /api/selftest``: test the room; ``…/stop`` ends it, ``…/close`` puts its result away. */
export interface SelfTestBody {
  asked_by?: "panel" | "doctor";
}

/** The test before a planned lesson, in numbers. */
export interface SelfTestDone {
  kind: "selftest.done";
  /** the planned lesson it was made for */
  plan: string | null;
  state: "ok" | "warning" | "failed" | "skipped";
  steps: SelfTestNumber[];
}

/** What one step of a self-test measured. */
export interface SelfTestNumber {
  id: string;
  state: "waiting" | "running" | "ok" | "warning" | "failed" | "skipped";
  value: number | null;
  unit: string | null;
}

/** A self-test as the centre may know it: no picture, no sound, no words. */
export interface SelfTestNumbers {
  state: "done" | "stopped";
  elapsed_s: number;
  steps: SelfTestNumber[];
}

/** ``cmd/selftest.run`` → `SelfTestNumbers`: test the room; its panel announces it, and may stop it. */
export interface SelfTestRun {
  actor: string;
}

/** One step of a self-test, as it goes. */
export interface SelfTestStep {
  id: string;
  name: Text;
  state: "waiting" | "running" | "ok" | "warning" | "failed" | "skipped";
  value: number | null;
  unit: string | null;
  message: Text | null;
  remedy: Text | null;
}

/** The self-test that runs, or the last one until it is put away. ``GET /api/selftest``; part of `PanelView`. */
export interface SelfTestView {
  id: string;
  /** quiet: beside Start, only what is neither heard nor seen */
  kind: "whole" | "quiet";
  asked_by: "panel" | "doctor" | "centre" | "start";
  state: "announced" | "running" | "done" | "stopped";
  began_at: string;
  /** once it is over */
  elapsed_s: number | null;
  steps: SelfTestStep[];
}

/** What the room sends this pupil, and why not more. */
export interface Sending {
  type: "sending";
  /** name of the layer; None: nothing of the track */
  sound: string | null;
  /** name of the layer, or `tiles` */
  board: string | null;
  camera: string | null;
  why: "best" | "line" | "wish" | "machine" | "uplink" | "decoder";
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
  role: "admin" | "teacher" | "viewer";
  /** missing: the centre wants one, and nothing else goes before; elsewhere: the provider's matter */
  second_step: "on" | "off" | "missing" | "elsewhere";
}

/** One key that is other than it was; None is: not set. */
export interface SettingsChange {
  path: string;
  before: JsonValue;
  after: JsonValue;
}

/** Settings that the room did not take, or took back; it goes on with those before, and does not try them again. */
export interface SettingsError {
  rev: number;
  code: string;
  message: string;
}

/** The room went back to the settings before these. */
export interface SettingsRefused {
  kind: "settings.refused";
  rev: number;
  code: string;
  message: string;
}

/** The room runs with these settings and found nothing worse than before. */
export interface SettingsTaken {
  kind: "settings.taken";
  rev: number;
}

/** ``POST /api/recording/share``: send it to the centre and make a link. */
export interface ShareBody {
  id: string;
  language?: "fr" | "en";
}

/** The on-air sign: driven by open devices and packets that left, never by a variable (DESIGN §6). */
export type Sign = "off" | "open" | "live";

/** ``POST /api/v1/session``. */
export interface SignIn {
  name: string;
  password: string;
  /** of the second step: the app's or a recovery code */
  code?: string | null;
}

/** One thing that Start does, as it is done. */
export interface Step {
  id: "camera" | "microphone" | "board";
  state: "waiting" | "done" | "failed";
}

/** ``POST /api/camera/store``: make the present view this preset. */
export interface StoreBody {
  preset: string;
}

/** How it stands with the pupil who speaks: to that pupil alone, on every change while its microphone is connected. */
export interface Talk {
  type: "talk";
  state: "waiting" | "heard" | "no-loudspeaker" | "paused" | "ended";
  /** the room's sound is held back: no other pupil hears it */
  is_room_muted: boolean;
  /** why it has ended */
  reason: "teacher" | "left" | "lost" | "time" | null;
}

/** One sentence in both languages. */
export interface Text {
  fr: string;
  en: string;
}

/** ``req/time`` → `TimeTold`: the room learns the offset of its clock at each connection. */
export interface TimeAsked {
  /** means nothing: how long it takes is measured */
  padding: string;
}

export interface TimeTold {
  /** the centre's time, seconds since 1970 */
  now: number;
}

/** Somebody in the room refused the start that the timetable counted down to. */
export interface TimetableRefused {
  kind: "timetable.refused";
  plan: string;
}

/** What the room makes of its timetable now. */
export interface TimetableReport {
  /** the planned lesson that is next, or runs */
  next: string | null;
  /** devices are warmed up and tested for it */
  is_preparing: boolean;
  selftest: "none" | "running" | "ok" | "warning" | "failed" | "skipped";
}

/** ``POST /api/v1/tokens``. */
export interface TokenBody {
  /** what it is for */
  name: string;
  /** read, lesson, room …; not accounts */
  permissions: string[];
  /** where: all, or territory:, school:, room: with an id */
  scope?: string;
  days?: number;
}

/** Answer to ``POST /api/v1/tokens``. */
export interface TokenMade {
  /** to be sent as Authorization: Bearer; told this once */
  token: string;
  view: TokenView;
}

/** A token of a program; its text was told once, to whoever made it. */
export interface TokenView {
  id: string;
  name: string;
  /** whose it is: it may never do more than this account */
  user: string;
  permissions: string[];
  scope: string;
  made_at: string;
  expires_at: string;
  used_at: string | null;
  revoked_at: string | null;
}

/** ``GET /api/v1/tokens``, newest first. */
export interface TokensView {
  tokens: TokenView[];
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

/** An update came to its end, whichever. */
export interface UpdateDone {
  kind: "update.done";
  version: string;
  outcome: "done" | "turned-back" | "failed";
}

/** The version that is wished and the one that runs. */
export interface UpdateReport {
  wanted: string | null;
  version: string;
  state: UpdateState;
  problem: string | null;
}

/** How far a room is with the version that the centre wishes. */
export type UpdateState = "waiting" | "installing" | "trying" | "done" | "turned-back" | "failed";

/** ``req/upload`` → `UploadTold`: the room hands a sealed file over (`protocol.shared_file`). */
export interface UploadAsked {
  /** once sealed */
  size_bytes: number;
  purpose: "recording" | "snapshot" | "sound";
  /** of the look that it answers */
  request: string | null;
}

/** Where to send it, by tus 1.0.0 (HEAD and PATCH), with ``token`` as Bearer, and where people then get it. */
export interface UploadTold {
  /** absolute address */
  upload: string;
  token: string;
  /** absolute; the key is added as its fragment, which no server sees */
  page: string;
  expires_at: string;
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

/** Somebody in the room showed a pupil out: the ticket is void for this lesson, and its code is turned over. */
export interface ViewerRemoved {
  kind: "viewer.removed";
  lesson: string;
  /** the ticket's mark, as in `RtcOffer`; None: had no ticket */
  holder: string | null;
}

/** How much the pupil wants to be sent, and what first. */
export interface Wish {
  type: "wish";
  use: "automatic" | "save-data" | "sound-only";
  /** the camera at 25 pictures a second before all else */
  reads_lips: boolean;
}

/** What concerns this pupil alone: at once after ``hello`` and on every change. Always the whole of it. */
export interface You {
  type: "you";
  /** false: knocked, and waits in the lobby without any media */
  is_admitted: boolean;
  hand: "down" | "raised" | "taken";
  /** of the raised hand in the queue */
  place: number | null;
  /** the hand is taken: the page may ask for the microphone */
  may_speak: boolean;
}

/** Every stable error code. */
export type ErrorCode = "internal" | "config-invalid" | "device-failed" | "device-not-found" | "device-busy" | "device-unsupported" | "device-protocol" | "device-password" | "device-ambiguous" | "preset-not-found" | "preset-void" | "device-timeout" | "device-lost" | "device-set-aside" | "device-no-signal" | "device-moved" | "device-not-now" | "device-permission" | "helper-failed" | "helper-not-there" | "helper-bad-request" | "helper-refused" | "helper-too-often" | "helper-lesson-runs" | "issuer-failed" | "issuer-not-there" | "issuer-bad-request" | "issuer-refused" | "issuer-too-often" | "disk-failed" | "recording-failed" | "recording-disk-full" | "recording-disk-slow" | "recording-cut" | "recording-not-found" | "recording-unreadable" | "share-not-found" | "share-full" | "share-offset" | "share-failed" | "recording-off" | "lesson-transition" | "selftest-not-now" | "lesson-not-found" | "lesson-not-started" | "lesson-ended" | "lesson-locked" | "not-admitted" | "pupil-not-found" | "proposal-none" | "room-not-found" | "room-offline" | "room-timeout" | "starting" | "offer-invalid" | "offer-too-large" | "offer-throttled" | "no-common-codec" | "viewer-not-found" | "viewer-limit" | "uplink-full" | "relay-off" | "media-server-unreachable" | "media-server-refused" | "hand-not-taken" | "speaker-in-room" | "somebody-speaks" | "screen-code-wrong" | "screen-code-used" | "screen-not-granted" | "screen-stopped" | "screen-replaced" | "screen-too-large" | "candidate-invalid" | "ice-restart-unsupported" | "broker-unavailable" | "broker-certificate" | "broker-not-authorised" | "broker-refused" | "message-too-large" | "command-failed" | "command-late" | "command-unknown" | "args-invalid" | "code-wrong" | "code-throttled" | "link-wrong" | "token-invalid" | "access-refused" | "sign-in-failed" | "sign-in-throttled" | "totp-needed" | "totp-wrong" | "totp-missing" | "totp-there" | "oidc-failed" | "oidc-unreachable" | "no-grant" | "name-taken" | "token-expired" | "forbidden" | "cross-site" | "panel-token" | "panel-locked" | "pin-wrong" | "pin-throttled" | "not-found" | "method-not-allowed" | "body-invalid" | "body-too-large" | "unsupported-media-type" | "pki-missing" | "pki-unusable" | "csr-invalid" | "database-unavailable" | "database-unusable" | "port-taken" | "centre-unreachable" | "address-refused" | "fetch-failed" | "calendar-unreadable" | "calendar-too-large" | "already-running" | "no-network" | "not-ready" | "program-missing";
