/* The loop that each burst of each viewer goes through: copied, numbered, protected where it lies, given to the kernel.
 *
 * A `Rows` is one packed array, written when viewers come and go or change their way, and only read while a burst
 * leaves, without Python's lock. libsrtp is the one that pylibsrtp brings: the address of its srtp_protect comes in, and
 * no second libsrtp is linked. Whoever makes a `Rows` keeps each row's descriptor open until the rows are let go of; the
 * rows keep each row's SRTP session alive themselves.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum {
    MOST_PACKETS = 64,    /* of a burst; the kernel takes no more at once (UDP_MAX_SEGMENTS) */
    MOST_BYTES = 24576,   /* of a burst with its tags: the workbench is on the stack */
    MOST_TRAILER = 144,   /* what srtp_protect may write behind a packet (SRTP_MAX_TRAILER_LEN) */
    FIXED_HEADER = 12,    /* RFC 3550 §5.1 */
    REFUSED = 1,          /* libsrtp would not protect a packet: nothing left to this viewer */
    NO_RUNS = 2,          /* the kernel takes no runs of packets on this viewer's way */
};

typedef int (*Protect)(void *session, void *packet, int *length);

typedef struct {
    void *session;
    struct sockaddr_in6 address; /* or a sockaddr_in, as its family says */
    socklen_t address_size;
    int descriptor;
    uint32_t origin; /* RTP time 0 */
    uint32_t ssrc;
    uint16_t first; /* sequence number of packet 0 */
    bool takes_runs;
} Row;

typedef struct {
    int lost;    /* packets that the kernel had no place for */
    int trouble; /* REFUSED, NO_RUNS */
} Outcome;

typedef struct {
    PyObject_HEAD
    Protect protect;
    PyObject *owners; /* what keeps the sessions alive */
    Py_ssize_t count;
    Row *rows;
    Outcome *outcomes;
    int tag; /* bytes that protecting adds */
    bool is_busy;
} Rows;

typedef struct {
    const uint8_t *image;
    size_t size;
    int packets;
    int offset[MOST_PACKETS + 1];
    int run_end[MOST_PACKETS]; /* of the run that begins with this packet: its packets have one size, the last may be shorter */
    uint16_t number;
    uint32_t rtp;
} Burst;

/* --- without Python's lock ---------------------------------------------------------------------------------------- */

static void write_own(uint8_t *header, uint16_t sequence, uint32_t rtp, uint32_t ssrc)
{
    sequence = htons(sequence);
    rtp = htonl(rtp);
    ssrc = htonl(ssrc);
    memcpy(header + 2, &sequence, sizeof sequence);
    memcpy(header + 4, &rtp, sizeof rtp);
    memcpy(header + 8, &ssrc, sizeof ssrc);
}

static bool finish(const Rows *rows, const Row *row, const Burst *burst, uint8_t *bench)
{
    memcpy(bench, burst->image, burst->size);
    for (int packet = 0; packet < burst->packets; packet++) {
        const int whole = burst->offset[packet + 1] - burst->offset[packet];
        int length = whole - rows->tag;
        uint8_t *header = bench + burst->offset[packet];
        write_own(header, (uint16_t)(row->first + burst->number + packet), row->origin + burst->rtp, row->ssrc);
        if (rows->protect(row->session, header, &length) != 0 || length != whole)
            return false;
    }
    return true;
}

static void send_singly(const Row *row, const Burst *burst, const uint8_t *bench, int packet, int end, Outcome *outcome)
{
    for (; packet < end; packet++) {
        const size_t size = (size_t)(burst->offset[packet + 1] - burst->offset[packet]);
        if (sendto(row->descriptor, bench + burst->offset[packet], size, MSG_DONTWAIT | MSG_NOSIGNAL,
                   (const struct sockaddr *)&row->address, row->address_size) < 0)
            outcome->lost++;
    }
}

/* Say whether the kernel took a run, or lost it; false: it takes none. */
static bool send_run(const Row *row, const Burst *burst, uint8_t *bench, int packet, int end, Outcome *outcome)
{
    union {
        char room[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr aligned;
    } control = {{0}};
    struct iovec whole = {bench + burst->offset[packet], (size_t)(burst->offset[end] - burst->offset[packet])};
    struct msghdr message = {
        .msg_name = (void *)&row->address,
        .msg_namelen = row->address_size,
        .msg_iov = &whole,
        .msg_iovlen = 1,
        .msg_control = control.room,
        .msg_controllen = sizeof control.room,
    };
    const uint16_t segment = (uint16_t)(burst->offset[packet + 1] - burst->offset[packet]);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof segment);
    memcpy(CMSG_DATA(header), &segment, sizeof segment);
    if (sendmsg(row->descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return true;
    switch (errno) {
    case EINVAL: /* where UDP_SEGMENT is not known, the line's packets are smaller, or IPsec is in the way */
    case EIO:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EMSGSIZE:
        return false;
    }
    outcome->lost += end - packet;
    return true;
}

static void send_to(const Rows *rows, const Row *row, const Burst *burst, uint8_t *bench, Outcome *outcome)
{
    bool takes_runs = row->takes_runs;
    if (!finish(rows, row, burst, bench)) {
        outcome->trouble |= REFUSED;
        return;
    }
    for (int packet = 0, end; packet < burst->packets; packet = end) {
        end = burst->run_end[packet];
        if (takes_runs && end - packet > 1) {
            if (send_run(row, burst, bench, packet, end, outcome))
                continue;
            takes_runs = false;
            outcome->trouble |= NO_RUNS;
        }
        send_singly(row, burst, bench, packet, end, outcome);
    }
}

/* --- with it ------------------------------------------------------------------------------------------------------ */

static bool read_number(PyObject *given, unsigned long most, const char *name, unsigned long *number)
{
    *number = PyLong_AsUnsignedLong(given);
    if (*number == (unsigned long)-1 && PyErr_Occurred())
        return false;
    if (*number <= most)
        return true;
    PyErr_Format(PyExc_ValueError, "%s %lu is more than %lu", name, *number, most);
    return false;
}

static bool read_row(PyObject *given, Row *row, PyObject **owner)
{
    PyObject *session, *first, *origin, *ssrc;
    const char *address;
    Py_ssize_t size;
    int takes_runs;
    unsigned long first_number, origin_number, ssrc_number;
    if (!PyTuple_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "a row is a tuple of owner, session, descriptor, address, takes_runs, first, "
                                         "origin and ssrc");
        return false;
    }
    if (!PyArg_ParseTuple(given, "OO!iy#pO!O!O!:row",
                          owner, &PyLong_Type, &session, &row->descriptor, &address, &size, &takes_runs, &PyLong_Type,
                          &first, &PyLong_Type, &origin, &PyLong_Type, &ssrc))
        return false;
    row->session = PyLong_AsVoidPtr(session);
    if (row->session == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "a row without a session");
        return false;
    }
    if (row->descriptor < 0) {
        PyErr_Format(PyExc_ValueError, "descriptor %d is not open", row->descriptor);
        return false;
    }
    sa_family_t family = AF_UNSPEC;
    if (size >= (Py_ssize_t)sizeof family)
        memcpy(&family, address, sizeof family);
    if (!(family == AF_INET && size == sizeof(struct sockaddr_in)) &&
        !(family == AF_INET6 && size == sizeof(struct sockaddr_in6))) {
        PyErr_Format(PyExc_ValueError, "%zd bytes of family %d are no address of IPv4 or IPv6", size, (int)family);
        return false;
    }
    memcpy(&row->address, address, (size_t)size);
    row->address_size = (socklen_t)size;
    if (!read_number(first, UINT16_MAX, "first sequence", &first_number) ||
        !read_number(origin, UINT32_MAX, "origin", &origin_number) ||
        !read_number(ssrc, UINT32_MAX, "ssrc", &ssrc_number))
        return false;
    row->first = (uint16_t)first_number;
    row->origin = (uint32_t)origin_number;
    row->ssrc = (uint32_t)ssrc_number;
    row->takes_runs = takes_runs;
    return true;
}

static void let_go(Rows *rows)
{
    PyTypeObject *type = Py_TYPE(rows);
    Py_XDECREF(rows->owners);
    PyMem_Free(rows->rows);
    PyMem_Free(rows->outcomes);
    PyObject_Free(rows);
    Py_DECREF(type);
}

static PyObject *make_rows(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    PyObject *protect, *entries;
    int tag;
    if (keywords != NULL && PyDict_GET_SIZE(keywords) != 0) {
        PyErr_SetString(PyExc_TypeError, "Rows takes no keywords");
        return NULL;
    }
    if (!PyArg_ParseTuple(arguments, "O!iO!", &PyLong_Type, &protect, &tag, &PyTuple_Type, &entries))
        return NULL;
    void *address = PyLong_AsVoidPtr(protect);
    if (address == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "srtp_protect is nowhere");
        return NULL;
    }
    if (tag < 0 || tag > MOST_TRAILER)
        return PyErr_Format(PyExc_ValueError, "a tag of %d bytes: from 0 to %d", tag, MOST_TRAILER);
    Rows *rows = PyObject_New(Rows, type);
    if (rows == NULL)
        return NULL;
    memcpy(&rows->protect, &address, sizeof address);
    rows->tag = tag;
    rows->is_busy = false;
    rows->count = PyTuple_GET_SIZE(entries);
    rows->owners = PyTuple_New(rows->count);
    rows->rows = PyMem_Calloc((size_t)rows->count, sizeof(Row));
    rows->outcomes = PyMem_Calloc((size_t)rows->count, sizeof(Outcome));
    if (rows->owners == NULL || rows->rows == NULL || rows->outcomes == NULL) {
        Py_DECREF(rows);
        return PyErr_NoMemory();
    }
    for (Py_ssize_t number = 0; number < rows->count; number++) {
        PyObject *owner;
        if (!read_row(PyTuple_GET_ITEM(entries, number), &rows->rows[number], &owner)) {
            Py_DECREF(rows);
            return NULL;
        }
        PyTuple_SET_ITEM(rows->owners, number, Py_NewRef(owner));
    }
    return (PyObject *)rows;
}

/* Cut packets that lie behind each other into as few runs as UDP_SEGMENT allows. */
static void cut_runs(Burst *burst)
{
    int begun = 0;
    for (int packet = 0; packet < burst->packets; packet++) {
        const int *offset = burst->offset;
        const int segment = offset[begun + 1] - offset[begun];
        const bool is_last = packet + 1 == burst->packets;
        if (!is_last && offset[packet + 1] - offset[packet] == segment &&
            offset[packet + 2] - offset[packet + 1] <= segment)
            continue;
        burst->run_end[begun] = packet + 1;
        begun = packet + 1;
    }
}

static bool lay_out(const Rows *rows, const Py_buffer *image, const Py_buffer *lengths, Burst *burst)
{
    burst->image = image->buf;
    burst->size = (size_t)image->len;
    if (image->len > MOST_BYTES || lengths->len % (Py_ssize_t)sizeof(uint16_t) != 0 || lengths->len == 0 ||
        lengths->len / (Py_ssize_t)sizeof(uint16_t) > MOST_PACKETS) {
        PyErr_Format(PyExc_ValueError, "%zd bytes with %zd bytes of lengths: at most %d bytes, 1 to %d packets",
                     image->len, lengths->len, MOST_BYTES, MOST_PACKETS);
        return false;
    }
    burst->packets = (int)(lengths->len / (Py_ssize_t)sizeof(uint16_t));
    burst->offset[0] = 0;
    for (int packet = 0; packet < burst->packets; packet++) {
        uint16_t length;
        memcpy(&length, (const char *)lengths->buf + (size_t)packet * sizeof length, sizeof length);
        if (length < FIXED_HEADER || length > MOST_BYTES) {
            PyErr_Format(PyExc_ValueError, "packet %d has %d bytes: from %d to %d", packet, (int)length, FIXED_HEADER,
                         MOST_BYTES);
            return false;
        }
        burst->offset[packet + 1] = burst->offset[packet] + length + rows->tag;
    }
    if (burst->offset[burst->packets] != image->len) {
        PyErr_Format(PyExc_ValueError, "packets of %d bytes with their tags in an image of %zd",
                     burst->offset[burst->packets], image->len);
        return false;
    }
    cut_runs(burst);
    return true;
}

static PyObject *tell(const Rows *rows)
{
    PyObject *told = PyList_New(0);
    for (Py_ssize_t number = 0; told != NULL && number < rows->count; number++) {
        const Outcome *outcome = &rows->outcomes[number];
        if (outcome->lost == 0 && outcome->trouble == 0)
            continue;
        PyObject *one = Py_BuildValue("nii", number, outcome->lost, outcome->trouble);
        if (one == NULL || PyList_Append(told, one) < 0)
            Py_CLEAR(told);
        Py_XDECREF(one);
    }
    return told;
}

static PyObject *send_rows(PyObject *self, PyObject *arguments)
{
    Rows *rows = (Rows *)self;
    Py_buffer image, lengths;
    PyObject *number, *rtp, *told = NULL;
    unsigned long first, time;
    Burst burst;
    if (!PyArg_ParseTuple(arguments, "y*y*O!O!", &image, &lengths, &PyLong_Type, &number, &PyLong_Type, &rtp))
        return NULL;
    if (rows->is_busy) {
        PyErr_SetString(PyExc_RuntimeError, "another thread sends to these rows");
    } else if (read_number(number, UINT16_MAX, "number", &first) && read_number(rtp, UINT32_MAX, "RTP time", &time) &&
               lay_out(rows, &image, &lengths, &burst)) {
        bool has_trouble = false;
        burst.number = (uint16_t)first;
        burst.rtp = (uint32_t)time;
        rows->is_busy = true;
        Py_BEGIN_ALLOW_THREADS
        uint8_t bench[MOST_BYTES + MOST_TRAILER];
        for (Py_ssize_t row = 0; row < rows->count; row++) {
            Outcome *outcome = &rows->outcomes[row];
            *outcome = (Outcome){0, 0};
            send_to(rows, &rows->rows[row], &burst, bench, outcome);
            has_trouble |= outcome->lost != 0 || outcome->trouble != 0;
        }
        Py_END_ALLOW_THREADS
        rows->is_busy = false;
        told = has_trouble ? tell(rows) : PyList_New(0);
    }
    PyBuffer_Release(&image);
    PyBuffer_Release(&lengths);
    return told;
}

static Py_ssize_t count_rows(PyObject *self)
{
    return ((Rows *)self)->count;
}

static PyMethodDef rows_methods[] = {
    {"send", send_rows, METH_VARARGS, "Send a burst to each row; return (row, packets lost, trouble) where not all left."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot rows_slots[] = {
    {Py_tp_doc, "Who is sent the same bursts: Rows(address of srtp_protect, bytes of a tag, rows)."},
    {Py_tp_new, make_rows},
    {Py_tp_dealloc, let_go},
    {Py_tp_methods, rows_methods},
    {Py_sq_length, count_rows},
    {0, NULL},
};

static PyType_Spec rows_spec = {
    .name = "agent.streams.fan_loop.Rows",
    .basicsize = sizeof(Rows),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = rows_slots,
};

static int fill_module(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&rows_spec);
    const int failed = type == NULL || PyModule_AddObjectRef(module, "Rows", type) < 0 ||
                       PyModule_AddIntConstant(module, "MOST_PACKETS", MOST_PACKETS) < 0 ||
                       PyModule_AddIntConstant(module, "MOST_BYTES", MOST_BYTES) < 0 ||
                       PyModule_AddIntConstant(module, "REFUSED", REFUSED) < 0 ||
                       PyModule_AddIntConstant(module, "NO_RUNS", NO_RUNS) < 0;
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, fill_module},
    {0, NULL},
};

static PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "fan_loop",
    .m_doc = "The loop that each burst of each viewer goes through.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_fan_loop(void)
{
    return PyModuleDef_Init(&module_definition);
}
