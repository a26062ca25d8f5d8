/* The state file's format: sections in brackets, `key = value` lines, comments after "#" at a line's start. */
#define _GNU_SOURCE
#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

struct word {
    const char *name;
    int meaning;
};

static const struct word SWITCH[] = {{"off", 0}, {"on", 1}, {NULL, 0}};
static const struct word BRANDS[] = {{"quadro", 1},      {"tesla", 2},       {"geforce", 5}, {"titan", 6},
                                     {"quadro_rtx", 12}, {"nvidia_rtx", 13}, {"nvidia", 14}, {"geforce_rtx", 15},
                                     {NULL, 0}};
static const struct word ARCHITECTURES[] = {{"volta", 5}, {"turing", 6}, {"ampere", 7},
                                            {"ada", 8},   {"hopper", 9}, {"blackwell", 10},
                                            {NULL, 0}};
static const struct word COMPUTE_MODES[] = {{"default", 0}, {"prohibited", 2}, {"exclusive_process", 3}, {NULL, 0}};
static const struct word FAULTS[] = {{"none", 0},
                                     {"lost", NVML_ERROR_GPU_IS_LOST},
                                     {"reset_required", NVML_ERROR_RESET_REQUIRED},
                                     {"unknown", NVML_ERROR_UNKNOWN},
                                     {"hanging", FAULT_HANGING},
                                     {NULL, 0}};
static const struct word SYSTEM_FAULTS[] = {{"none", 0},
                                            {"driver_not_loaded", NVML_ERROR_DRIVER_NOT_LOADED},
                                            {"version_mismatch", NVML_ERROR_LIB_RM_VERSION_MISMATCH},
                                            {"unknown", NVML_ERROR_UNKNOWN},
                                            {NULL, 0}};
/* Bits of NVML's "clocks event reasons", known as throttle reasons before. */
static const struct word THROTTLE_REASONS[] = {{"none", 0},
                                               {"gpu_idle", 0x1},
                                               {"applications_clocks", 0x2},
                                               {"sw_power_cap", 0x4},
                                               {"hw_slowdown", 0x8},
                                               {"sync_boost", 0x10},
                                               {"sw_thermal", 0x20},
                                               {"hw_thermal", 0x40},
                                               {"hw_power_brake", 0x80},
                                               {"display_clock", 0x100},
                                               {NULL, 0}};
static const struct word PROCESS_TYPES[] = {
    {"compute", PROCESS_COMPUTE}, {"graphics", PROCESS_GRAPHICS}, {"mps", PROCESS_MPS}, {NULL, 0}};

enum kind { TEXT, VALUE, WORD, WORDS };

struct key {
    const char *name;
    enum kind kind;
    size_t offset;
    const struct word *words;
};

#define GPU_TEXT_KEY(key) {#key, TEXT, offsetof(struct gpu, key), NULL},
#define GPU_VALUE_KEY(key) {#key, VALUE, offsetof(struct gpu, key), NULL},
#define GPU_WORD_KEY(key, words) {#key, WORD, offsetof(struct gpu, key), words},
#define SLICE_TEXT_KEY(key) {#key, TEXT, offsetof(struct slice, key), NULL},
#define SLICE_VALUE_KEY(key) {#key, VALUE, offsetof(struct slice, key), NULL},

static const struct key GPU_KEYS[] = {
    GPU_TEXTS(GPU_TEXT_KEY) GPU_VALUES(GPU_VALUE_KEY)
    GPU_WORD_KEY(brand, BRANDS) GPU_WORD_KEY(architecture, ARCHITECTURES) GPU_WORD_KEY(compute_mode, COMPUTE_MODES)
    GPU_WORD_KEY(persistence, SWITCH) GPU_WORD_KEY(ecc, SWITCH) GPU_WORD_KEY(display, SWITCH)
    GPU_WORD_KEY(mig, SWITCH) GPU_WORD_KEY(remapped_pending, SWITCH) GPU_WORD_KEY(remapped_failure, SWITCH)
    GPU_WORD_KEY(fault, FAULTS)
    {"throttle", WORDS, offsetof(struct gpu, throttle), THROTTLE_REASONS},
    {NULL, TEXT, 0, NULL}};
static const struct key SLICE_KEYS[] = {SLICE_TEXTS(SLICE_TEXT_KEY) SLICE_VALUES(SLICE_VALUE_KEY){NULL, TEXT, 0, NULL}};

/* The section that a line belongs to. */
struct section {
    enum { NO_SECTION, SYSTEM_SECTION, GPU_SECTION, SLICE_SECTION } kind;
    unsigned int position; /* in state.gpus or state.slices */
};

static char *trimmed(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return text;
}

/* Takes the next word off the front of the text; NULL when there is none. */
static char *next_word(char **text)
{
    char *start = trimmed(*text);
    char *end = start;
    while (*end && !isspace((unsigned char)*end))
        end++;
    *text = end;
    if (*end) {
        *end = '\0';
        *text = end + 1;
    }
    return *start ? start : NULL;
}

/* Numbers are written with a point, whatever the locale of the process that loaded the library. */
static bool read_number(const char *text, double *number)
{
    static locale_t c_locale;
    if (!c_locale)
        c_locale = newlocale(LC_NUMERIC_MASK, "C", NULL);
    char *end;
    if (!text || !*text || !c_locale)
        return false;
    *number = strtod_l(text, &end, c_locale);
    return *end == '\0' && fabs(*number) < 1e15; /* which no infinity and no NaN is */
}

static bool read_whole(const char *text, unsigned int *number)
{
    double value;
    if (!read_number(text, &value) || value < 0 || value > UINT32_MAX || value != floor(value))
        return false;
    *number = (unsigned int)value;
    return true;
}

static bool read_text(const char *text, char *target)
{
    size_t length = strlen(text);
    if (length == 0 || length >= TEXT_SIZE)
        return false;
    memcpy(target, text, length + 1);
    return true;
}

static bool read_value(char *text, struct value *value)
{
    memset(value, 0, sizeof *value);
    if (strcmp(text, "none") == 0)
        return true;
    value->known = true;
    if (strncmp(text, "wave", 4) != 0)
        return read_number(text, &value->low);
    next_word(&text);
    if (!read_number(next_word(&text), &value->low) || !read_number(next_word(&text), &value->high) ||
        !read_number(next_word(&text), &value->period_s) || value->period_s <= 0)
        return false;
    char *phase = next_word(&text);
    return (!phase || read_number(phase, &value->phase_s)) && !next_word(&text);
}

static bool read_word(const char *text, const struct word *words, int *meaning)
{
    for (; words->name; words++) {
        if (strcmp(text, words->name) == 0) {
            *meaning = words->meaning;
            return true;
        }
    }
    return false;
}

static bool read_words(char *text, const struct word *words, int *bits)
{
    char *rest, *word;
    *bits = 0;
    for (word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        int bit;
        if (!read_word(trimmed(word), words, &bit))
            return false;
        *bits |= bit;
    }
    return true;
}

static bool read_key(const struct key *keys, void *target, const char *name, char *text)
{
    for (; keys->name; keys++) {
        if (strcmp(keys->name, name) != 0)
            continue;
        void *member = (char *)target + keys->offset;
        if (keys->kind == TEXT)
            return read_text(text, member);
        if (keys->kind == VALUE)
            return read_value(text, member);
        if (strcmp(text, "none") == 0 && keys->kind == WORD && keys->words != FAULTS) {
            *(int *)member = NOT_GIVEN;
            return true;
        }
        return keys->kind == WORD ? read_word(text, keys->words, member) : read_words(text, keys->words, member);
    }
    return false;
}

/* process = PID TYPE MIB NAME */
static bool read_process(char *text, struct state *state, const struct section *section)
{
    if (state->process_count == MAX_PROCESSES)
        return false;
    struct process *process = &state->processes[state->process_count];
    bool of_slice = section->kind == SLICE_SECTION;
    process->gpu = of_slice ? state->slices[section->position].gpu : section->position;
    process->slice = of_slice ? (int)section->position : -1;
    char *pid = next_word(&text), *type = next_word(&text), *used = next_word(&text);
    int meaning;
    if (!used || !read_whole(pid, &process->pid) || !read_word(type, PROCESS_TYPES, &meaning) ||
        !read_value(used, &process->used_mib) || !read_text(trimmed(text), process->name))
        return false;
    process->type = (enum process_type)meaning;
    state->process_count++;
    return true;
}

static bool read_slow(const char *function, const char *text, struct state *state)
{
    if (state->slow_count == MAX_SLOW || strlen(function) >= TEXT_SIZE)
        return false;
    struct slow_call *slow = &state->slow[state->slow_count++];
    strcpy(slow->function, function);
    return read_number(text, &slow->milliseconds) && slow->milliseconds >= 0;
}

static bool read_system(const char *name, char *text, struct state *state)
{
    int meaning;
    if (strcmp(name, "driver_version") == 0)
        return read_text(text, state->driver_version);
    if (strcmp(name, "cuda_version") == 0)
        return read_value(text, &state->cuda_version);
    if (strcmp(name, "hang") == 0)
        return strcmp(text, "none") == 0 || read_text(text, state->hang);
    if (strcmp(name, "slow") == 0)
        return read_slow("", text, state);
    if (strncmp(name, "slow.", 5) == 0 && name[5])
        return read_slow(name + 5, text, state);
    if (strcmp(name, "fault") == 0 && read_word(text, SYSTEM_FAULTS, &meaning)) {
        state->fault = (nvmlReturn_t)meaning;
        return true;
    }
    return false;
}

static bool open_gpu(const char *number, struct state *state, struct section *section)
{
    unsigned int minor;
    if (!read_whole(number, &minor) || state->gpu_count == MAX_GPUS)
        return false;
    for (unsigned int i = 0; i < state->gpu_count; i++)
        if (state->gpus[i].minor == minor)
            return false;
    struct gpu *gpu = &state->gpus[state->gpu_count];
    gpu->minor = minor;
#define NO_WORD(key) gpu->key = NOT_GIVEN;
    GPU_WORDS(NO_WORD)
    gpu->fault = NVML_SUCCESS;
    *section = (struct section){GPU_SECTION, state->gpu_count++};
    return true;
}

static bool open_slice(char *numbers, struct state *state, struct section *section)
{
    char *colon = strchr(numbers, ':');
    unsigned int minor, number;
    if (!colon || state->slice_count == MAX_SLICES)
        return false;
    *colon = '\0';
    if (!read_whole(numbers, &minor) || !read_whole(colon + 1, &number))
        return false;
    for (unsigned int i = 0; i < state->gpu_count; i++) {
        if (state->gpus[i].minor != minor)
            continue;
        struct slice *slice = &state->slices[state->slice_count];
        slice->gpu = i;
        slice->number = number;
        *section = (struct section){SLICE_SECTION, state->slice_count++};
        return true;
    }
    return false; /* a slice comes after its GPU */
}

static bool open_section(char *title, struct state *state, struct section *section)
{
    char *rest = title;
    char *kind = next_word(&rest), *number = next_word(&rest);
    if (!kind || next_word(&rest))
        return false;
    if (strcmp(kind, "system") == 0 && !number) {
        *section = (struct section){SYSTEM_SECTION, 0};
        return true;
    }
    if (!number)
        return false;
    if (strcmp(kind, "gpu") == 0)
        return open_gpu(number, state, section);
    return strcmp(kind, "slice") == 0 && open_slice(number, state, section);
}

static bool read_line(char *line, struct state *state, struct section *section)
{
    line = trimmed(line);
    if (*line == '\0' || *line == '#')
        return true;
    if (*line == '[') {
        size_t length = strlen(line);
        if (line[length - 1] != ']')
            return false;
        line[length - 1] = '\0';
        return open_section(line + 1, state, section);
    }
    char *equals = strchr(line, '=');
    if (!equals)
        return false;
    *equals = '\0';
    char *name = trimmed(line), *text = trimmed(equals + 1);
    switch (section->kind) {
    case SYSTEM_SECTION:
        return read_system(name, text, state);
    case GPU_SECTION:
        if (strcmp(name, "process") == 0)
            return read_process(text, state, section);
        return read_key(GPU_KEYS, &state->gpus[section->position], name, text);
    case SLICE_SECTION:
        if (strcmp(name, "process") == 0)
            return read_process(text, state, section);
        return read_key(SLICE_KEYS, &state->slices[section->position], name, text);
    default:
        return false;
    }
}

/* What NVML cannot do without: a UUID that is nobody else's, and a name. */
static bool complete(const struct state *state)
{
    for (unsigned int i = 0; i < state->gpu_count; i++) {
        if (!*state->gpus[i].uuid || !*state->gpus[i].name)
            return false;
        for (unsigned int j = 0; j < i; j++)
            if (strcmp(state->gpus[i].uuid, state->gpus[j].uuid) == 0)
                return false;
    }
    for (unsigned int i = 0; i < state->slice_count; i++) {
        if (!*state->slices[i].uuid || !*state->slices[i].profile)
            return false;
        for (unsigned int j = 0; j < i; j++)
            if (strcmp(state->slices[i].uuid, state->slices[j].uuid) == 0)
                return false;
    }
    return true;
}

bool state_parse(char *text, struct state *state)
{
    struct section section = {NO_SECTION, 0};
    char *line;
    while ((line = strsep(&text, "\n")) != NULL)
        if (!read_line(line, state, &section))
            return false;
    return complete(state);
}
